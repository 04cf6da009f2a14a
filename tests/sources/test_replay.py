"""Recorded answers are given again to the queries they answered, and to no others."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from prefrl.errors import ConfigError, DataError
from prefrl.sources.guard import checked
from prefrl.sources.options import FileOptions
from prefrl.sources.replay import Replay
from prefrl.specs import AskContext, BuildContext
from prefrl.store import open_store
from prefrl.types import EnvInfo, Preference, Query, Rationale, Segment, Tiers

ENV = EnvInfo("Toy-v0", (3,), (2,))
FIRST, SECOND = Tiers(((0,), (1,))), Tiers(((1,), (0,)))
CONTEXT = AskContext(step=0, round=0, rng=np.random.default_rng(0))


def query(i: int) -> Query:
    obs = np.full((3, 3), i, np.float32)
    return Query.of("run", i, [Segment.of(obs, obs[:2, :2]), Segment.of(obs + 0.5, obs[:2, :2])])


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Three answered queries: one revised, one skipped, one answered by two people."""
    with open_store(None, tmp_path / "runs") as store:
        data = store.data_set("toy", ENV)
        data.add_queries([query(i) for i in range(3)])
        data.add(Preference.of(query(0), FIRST, source="people", annotator="ann", created=5.0))
        data.add(
            Preference.of(query(0), SECOND, source="people", annotator="ann", revision=1, strength=2.0, created=9.0)
        )
        data.add(Preference.of(query(1), None, source="people", annotator="ann", rationale=Rationale(text="equal")))
        data.add(Preference.of(query(2), FIRST, source="people", annotator="ann"))
        data.add(Preference.of(query(2), SECOND, source="people", annotator="bob"))
        data.export(tmp_path / "recorded.jsonl")
    return tmp_path / "recorded.jsonl"


def source(path: Path, env: EnvInfo = ENV) -> Replay:
    return Replay(FileOptions(path=path), BuildContext(run="run", name="recorded", seed=0, env=env))


def test_the_latest_answers_come_back(recorded: Path) -> None:
    queries = [query(2), query(1), query(0)]
    answers = {one.query_id: one for one in checked(source(recorded).label(queries, CONTEXT), queries, "recorded")}
    assert [answers[one.id].answer for one in queries] == [SECOND, None, SECOND]
    assert answers[query(1).id].rationale.text == "equal"
    assert answers[query(2).id].annotator == "bob"
    revised = answers[query(0).id]
    assert (revised.source, revised.revision, revised.strength, revised.created) == ("recorded", 0, 2.0, 9.0)


def test_replaying_twice_gives_equal_answers(recorded: Path) -> None:
    queries = [query(i) for i in range(3)]
    assert list(source(recorded).label(queries, CONTEXT)) == list(source(recorded).label(queries, CONTEXT))


def test_unknown_queries_stay_undecided_and_are_counted(recorded: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        answers = list(source(recorded).label([query(7), query(0), query(8)], CONTEXT))
    assert [one.query_id for one in answers] == [query(0).id]
    assert "2 of 3 queries have no recorded answer" in caplog.text


def test_files_that_cannot_serve_are_refused(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="another environment"):
        source(recorded, EnvInfo("Hopper-v5", (11,), (3,)))
    with pytest.raises(ConfigError, match="No such file"):
        source(tmp_path / "none.jsonl")
    recorded.write_text(recorded.read_text()[:-20])
    with pytest.raises(DataError, match=r"recorded.jsonl:\d+ is damaged"):
        source(recorded)
