"""Open questions of a data set are put to the configured sources in their order, in batches, and what is left is counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefrl import config
from prefrl.doors import Found, PluginRecord, built_in
from prefrl.errors import ConfigError, DataError
from prefrl.plugins import PluginHost
from prefrl.procedures import answering
from prefrl.procedures.answering import Answered, answer
from prefrl.rollout.vectorised import information
from prefrl.settings import EnvSettings, RunSettings
from prefrl.specs import AskContext, SourceSpec, hookimpl
from prefrl.store import Store, open_store
from prefrl.types import Preference, Query, Segment, Tiers

ENV = {"id": "Pendulum-v1"}


class Teacher:
    """Answers questions below `limit`, skips those from `skips` on; keeps what it was asked together."""

    batches: list[int] = []

    def __init__(self, name: str, limit: int, skips: int) -> None:
        self.name, self.limit, self.skips = name, limit, skips

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        Teacher.batches.append(len(queries))
        for query in queries:
            number = int(query.why)
            if number < self.limit:
                yield Preference.of(query, Tiers(((0,), (1,))), source=self.name)
            elif number >= self.skips:
                yield Preference.of(query, None, source=self.name)


class Plugin:
    __name__ = "teachers"

    @hookimpl
    def prefrl_register_sources(self) -> list[SourceSpec]:
        def source(name: str, limit: int, skips: int, **rest: Any) -> SourceSpec:
            return SourceSpec(name=name, summary="", build=lambda _, c: Teacher(c.name, limit, skips), **rest)

        return [source("half", 3, 5), source("all", 99, 99), source("people", 0, 0, deferred=True)]


@pytest.fixture
def host() -> PluginHost:
    host = PluginHost(strict=True)
    host.admit(built_in())
    host.admit(Found(PluginRecord("teachers", "this test"), Plugin))
    Teacher.batches = []
    return host


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Six open questions in the data set "clips"."""
    with open_store(None, tmp_path) as store:
        data = store.data_set("clips", information(EnvSettings(**ENV)))
        rng = np.random.default_rng(0)
        for i in range(6):
            clips = [Segment.of(rng.normal(size=(4, 3)), rng.normal(size=(3, 1))) for _ in range(2)]
            data.add_queries([Query.of("run", i, clips, why=str(i))])
        yield store


def settings(host: PluginHost, folder: Path, sources: str, env: str = "Pendulum-v1") -> RunSettings:
    path = folder / "run.yaml"
    path.write_text(f"env: {{id: {env}}}\nalgo: {{name: ppo}}\nsources: {sources}\n", encoding="utf-8")
    return config.resolve(config.read(path, ()), host)


def test_one_source_answers_what_it_will(host: PluginHost, store: Store, tmp_path: Path) -> None:
    found = answer(settings(host, tmp_path, "{half: {}}"), host, store, "clips")
    assert found == Answered("clips", asked=6, answered=3, skipped=1, open=2)


def test_what_one_leaves_open_falls_to_the_next(host: PluginHost, store: Store, tmp_path: Path) -> None:
    both = "{half: {order: 0}, all: {order: 1}}"
    assert answer(settings(host, tmp_path, both), host, store, "clips") == Answered("clips", 6, 5, 1, 0)
    given = [(p.source, p.outcome) for _, p in store.data_set("clips").current()]
    assert sorted(given) == [("all", "answered")] * 2 + [("half", "answered")] * 3 + [("half", "skip")]


def test_what_is_answered_is_not_asked_again(host: PluginHost, store: Store, tmp_path: Path) -> None:
    answer(settings(host, tmp_path, "{half: {}}"), host, store, "clips")
    again = answer(settings(host, tmp_path, "{all: {}}"), host, store, "clips")
    assert again == Answered("clips", asked=2, answered=2, skipped=0, open=0)
    assert Teacher.batches == [6, 2]


def test_questions_are_read_in_batches(
    host: PluginHost, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "AT_ONCE", 4)
    answer(settings(host, tmp_path, "{all: {}}"), host, store, "clips")
    assert Teacher.batches == [4, 2]


def test_who_answers_later_or_never_and_another_task_are_refused(
    host: PluginHost, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="sources: there is nobody to answer"):
        answer(settings(host, tmp_path, "{}"), host, store, "clips")
    with pytest.raises(ConfigError, match=r"sources\.people: answers later, and open questions wait for it"):
        answer(settings(host, tmp_path, "{people: {}, all: {}}"), host, store, "clips")
    with pytest.raises((ConfigError, DataError), match="Data set 'clips'"):
        answer(settings(host, tmp_path, "{all: {}}", "CartPole-v1"), host, store, "clips")
    assert Teacher.batches == []
