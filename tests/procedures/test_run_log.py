"""Each look at the data set is logged; repeated after an interruption, it finds what it found before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prefrl.procedures.run_log import RunLog
from prefrl.runs import RunFolder
from prefrl.store import DataSet, open_store
from prefrl.types import EnvInfo, Preference, Query, Segment, Tiers

ENV = EnvInfo(id="Pendulum-v1", obs_shape=(3,), action_shape=(1,))


def query(number: int) -> Query:
    clips = [Segment.of(np.full((6, 3), number + i / 2), np.zeros((5, 1))) for i in range(2)]
    return Query.of("run", number, clips)


def answer(data: DataSet, asked: Query) -> None:
    data.add(Preference.of(asked, Tiers(((0,), (1,))), source="oracle"))


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return open_store(None, tmp_path).data_set("run", ENV)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run")


def rounds(log: RunLog, data: DataSet, numbers: range) -> list[int]:
    """Ask and look, as a run does; how many answers each look found in all."""
    found = []
    for number in numbers:
        asked = query(number)
        log.asked([asked], step=number)
        data.add_queries([asked])
        if asked.id in data.open_queries():
            answer(data, asked)
        found.append(len(log.look(fit=number, step=number)))
    return found


def test_a_repeated_look_reads_no_further_than_it_did(data: DataSet, folder: RunFolder) -> None:
    log = RunLog(data, folder)
    assert rounds(log, data, range(2)) == [1, 2]
    state, sizes = log.state_dict(), folder.state_dict()
    assert rounds(log, data, range(2, 6)) == [3, 4, 5, 6]
    text = (folder.path / "run_log.jsonl").read_text()

    for reached in (4, 3, 6):  # interrupted three times, once before it had repeated everything
        log = RunLog(data, folder)
        log.repeat()
        folder.load_state_dict(sizes)
        log.load_state_dict(state)
        assert list(log.current) == [(query(n).id, "oracle", "-") for n in range(2)]
        assert rounds(log, data, range(2, reached)) == list(range(3, reached + 1))
    assert (folder.path / "run_log.jsonl").read_text() == text
    assert [q.id for q in log.queries.values()] == [query(n).id for n in range(6)]


def test_late_answers_are_found_by_the_first_look_that_is_new(data: DataSet, folder: RunFolder) -> None:
    log = RunLog(data, folder)
    late = query(90)
    data.add_queries([late])
    assert rounds(log, data, range(1)) == [1]
    again = RunLog(data, folder)
    again.repeat()
    folder.load_state_dict({})
    answer(data, late)
    assert len(again.look(fit=0, step=0)) == 1
    assert len(again.look(fit=0, step=1)) == 2
    assert late.id in again.queries


def test_an_answer_that_was_not_seen_to_the_end_of_a_look_is_read_now(data: DataSet, folder: RunFolder) -> None:
    asked = query(1)
    data.add_queries([asked])
    answer(data, asked)
    with (folder.path / "run_log.jsonl").open("w") as file:
        file.write('{"look": 0, "fi')  # killed within the line
    log = RunLog(data, folder)
    log.repeat()
    folder.load_state_dict({})
    assert len(log.look(fit=0, step=0)) == 1
