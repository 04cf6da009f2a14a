"""Twelve ways in which a plugin can be bad, and what catches each; sources that break promises stand in tests/testing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefrl.doors import built_in, file
from prefrl.errors import BadAnswer
from prefrl.plugins import PluginHost
from prefrl.probe import probe
from prefrl.sources.guard import checked, hide
from prefrl.testing.examples import ENV, PRIVILEGED, queries
from prefrl.types import Grades, Preference, Query, Tiers

HEAD = "from prefrl.specs import SourceSpec, hookimpl\ndef one(name, **rest): return [SourceSpec(name=name, summary='', build=dict, **rest)]\n"
HOOK = "@hookimpl\ndef prefrl_register_sources(): "


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        pytest.param("import no_such_module", "broken", "ModuleNotFoundError: No module named 'no_such_module'", id="import error"),
        pytest.param(HOOK + "return one('lab', api=9)", "broken", "plugin API 9", id="wrong api"),
        pytest.param("@hookimpl\ndef prefrl_register_source(): return one('lab')", "broken", "prefrl_register_sources", id="misspelt hook"),
        pytest.param("@hookimpl\ndef prefrl_register_sources(run): return one('lab')", "broken", "run", id="wrong argument"),
        pytest.param(HOOK + "raise KeyError('token')", "broken", "KeyError: 'token'", id="raising hook"),
        pytest.param(HOOK + "return one('file')", "conflict", "'file' is also offered by prefrl", id="duplicate name"),
    ],
)  # fmt: skip
def test_the_host_says_what_is_wrong_and_the_others_work(source: str, status: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "lab.py"
    path.write_text(HEAD + source, encoding="utf-8")
    host = PluginHost()
    host.admit(built_in())
    record = host.admit(file(path))
    assert record.status == status
    assert words in record.error
    assert "uniform" in host.specs("selectors")


def test_an_import_that_hangs_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "lab.py"
    path.write_text("import time; time.sleep(60)", encoding="utf-8")
    record, _ = probe(file(path), limit=1)
    assert (record.status, record.error) == ("broken", "its import took longer than 1 s")


def asked() -> list[Query]:
    return [hide(query, frozenset(), PRIVILEGED) for query in queries("pair", 2)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(lambda q: Preference.of(q, Grades((float("nan"), 0.0)), source="lab"), "nan is no finite number", id="NaN"),
        pytest.param(lambda q: Preference.of(q, Tiers(((0,),)), source="lab"), "rank 1 items, at least 2", id="wrong length"),
        pytest.param(lambda q: replace(Preference.of(q, Tiers(((0, 1),)), source="lab"), query_id="x"), "query x, which it was not asked", id="foreign query"),
        pytest.param(lambda q: Preference.of(q, Tiers(((0, 1),)), source="oracle"), "signed 'oracle'", id="another's name"),
    ],
)  # fmt: skip
def test_a_bad_answer_is_refused_before_it_is_stored(answer: Any, words: str) -> None:
    def label() -> Iterator[Preference]:
        for query in asked():
            yield answer(query)

    with pytest.raises(BadAnswer, match=words):
        list(checked(label(), asked(), "lab"))


def test_what_was_not_declared_is_not_there_to_be_read() -> None:
    assert all(item.true_reward is None for query in asked() for item in query.items)  # type: ignore[union-attr]
    assert ENV.factors["speed"].privileged
    assert all("speed" not in item.factors for query in asked() for item in query.items)  # type: ignore[union-attr]


def test_changing_a_clip_changes_nothing_of_what_is_learned_from() -> None:
    whole = queries("pair", 1)
    before = np.array(whole[0].items[0].obs)  # type: ignore[union-attr]
    shown = hide(whole[0], frozenset(), PRIVILEGED)
    shown.items[0].obs[:] = 0.0  # type: ignore[union-attr]
    assert (whole[0].items[0].obs == before).all()  # type: ignore[union-attr]
