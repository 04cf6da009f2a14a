"""A run's side of it: the page is served while the run lives, killed servers come back, and the report hears of the people."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from prefrl.errors import ConfigError, RunError
from prefrl.specs import BuildContext, Desk
from prefrl.store import DataSet
from prefrl.types import Preference, Query, Tiers
from prefrl_human import source as source_module
from prefrl_human.options import HumanOptions
from prefrl_human.source import People

Ask = Callable[..., Query]


@pytest.fixture
def context(empty: DataSet, tmp_path: Path) -> BuildContext:
    (tmp_path / "runs" / "toy").mkdir()
    return BuildContext("toy", "human", 0, empty.env, folder=tmp_path / "runs" / "toy")


@pytest.fixture
def people(context: BuildContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[People]:
    monkeypatch.chdir(tmp_path)
    made = People(HumanOptions(port=0, browser=False), context)
    yield made
    made.close()


def test_the_page_lives_as_long_as_the_run(
    people: People,
    empty: DataSet,
    ask: Ask,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people.open(Desk(None, tmp_path / "runs", "toy", answers=7))
    assert people.address is not None
    url = people.address.url
    assert f"rank clips at {url}" in capfd.readouterr().err
    assert json.load(urlopen(f"{url}api/session"))["data_set"] == "toy"
    assert json.load(urlopen(f"{url}api/next"))["total"] == 7
    people.waiting(1, 3)
    assert "waiting for people: 1 of 3 answered" in capfd.readouterr().err
    monkeypatch.setattr(source_module, "SHORTEST", 0.0)
    people._process.kill()
    people._process.wait()
    people.waiting(1, 3)
    assert "is started again" in capfd.readouterr().err
    assert json.load(urlopen(f"{people.address.url}api/session"))["who"] == "annotator"
    empty.add_queries([ask(0)])
    empty.add(
        Preference.of(
            ask(0),
            Tiers(((0,), (1,))),
            source="human",
            annotator="ann",
            shown_order=(0, 1),
            seconds=2.0,
            created=time.time(),
        )
    )
    process = people._process
    people.close()
    assert process.poll() == 0
    section = json.loads((tmp_path / "runs" / "toy" / "sections" / "human-quality.json").read_text(encoding="utf-8"))
    assert section["rows"][0][0] == "ann"


def test_a_server_that_cannot_live_ends_the_run(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "SHORTEST", 1e9)
    people.open(Desk(None, tmp_path / "runs", "toy", answers=7))
    people._process.kill()
    people._process.wait()
    with pytest.raises(
        RunError,
        match=r"sources.human: the page's server ended with status -9; answers are safe, and `prefrl train --resume",
    ):
        people.waiting(0, 1)


def test_what_cannot_be_served_is_said(context: BuildContext, tmp_path: Path) -> None:
    nowhere = People(HumanOptions(host="203.0.113.7", port=0), context)
    with pytest.raises(ConfigError, match=r"sources.human: host: the page cannot be served on 203.0.113.7"):
        nowhere.open(Desk(None, tmp_path / "runs", "toy", answers=7))
    nowhere.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [({"overlay": ["hieght"]}, "there is no factor 'hieght'. Allowed: height, speed. Did you mean 'height'?"),
     ({"overlay": ["speed"]}, "factor 'speed' gives the designed reward away; set privileged: true")],
)  # fmt: skip
def test_what_may_not_be_shown_is_said(context: BuildContext, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=r"sources.human.overlay: ") as raised:
        People(HumanOptions(**options), context)
    assert said in str(raised.value)
    People(HumanOptions(overlay=("speed",), privileged=True), context)
