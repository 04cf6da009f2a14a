"""A data set keeps every answer once, in one order, and never changes one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from prefrl.errors import DataError, RunError
from prefrl.store import DataSet, Store, open_store
from prefrl.types import Binary, Choice, EnvInfo, Grades, Preference, Query, Rationale, Tiers, Triplet

Ask = Callable[[int], Query]
FIRST, SECOND = Tiers(((0,), (1,))), Tiers(((1,), (0,)))
Reopen = Callable[[], Store]
only_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def test_positions_count_from_one_and_survive_reopening(data: DataSet, pair: Ask, reopen: Reopen) -> None:
    queries = [pair(i) for i in range(3)]
    data.add_queries(queries)
    given = [Preference.of(query, FIRST, source="oracle") for query in queries]
    assert [data.add(one) for one in given] == [1, 2, 3]
    assert data.preferences() == list(enumerate(given, 1))
    assert data.preferences(after=2) == [(3, given[2])]
    with reopen() as again:
        assert again.data_set("toy").preferences() == list(enumerate(given, 1))


@pytest.mark.parametrize(
    "answer", [Tiers(((2,), (0, 1))), Grades((1.5, -2.0)), Binary((0.0, 1.0)), Triplet(2), Choice(1)]
)
def test_every_answer_kind_comes_back_equal(data: DataSet, pair: Ask, answer: object) -> None:
    data.add_queries([pair(0)])
    given = Preference.of(
        pair(0),
        answer,
        source="people",
        annotator="ünï",
        group="cautious",
        strength=0.25,
        rationale=Rationale("speed", (1, 3), 'it "fell"\n\x00\ud83e'),
        shown_order=(1, 0),
        seconds=2.5,
    )
    data.add(given)
    assert data.preferences() == [(1, given)]


def test_the_same_answer_again_is_the_same_answer(data: DataSet, pair: Ask) -> None:
    data.add_queries([pair(0), pair(1)])
    first = Preference.of(pair(0), FIRST, source="oracle")
    data.add(first)
    data.add(Preference.of(pair(1), FIRST, source="oracle"))
    assert data.add(replace(first, created=first.created + 99, seconds=3.0)) == 1  # a redone round, a repeated request
    assert len(data.preferences()) == 2


def test_another_answer_under_the_same_id_is_refused(data: DataSet, pair: Ask) -> None:
    data.add_queries([pair(0)])
    data.add(Preference.of(pair(0), FIRST, source="oracle"))
    with pytest.raises(DataError, match="another answer"):
        data.add(Preference.of(pair(0), SECOND, source="oracle"))
    with pytest.raises(DataError, match="stored under another id"):
        data.add(replace(Preference.of(pair(0), SECOND, source="oracle"), id="f" * 64))
    assert data.preferences()[0][1].answer == FIRST


def test_the_latest_revision_of_each_annotator_is_current(data: DataSet, pair: Ask) -> None:
    data.add_queries([pair(0), pair(1)])
    ann, bob = {"source": "people", "annotator": "ann"}, {"source": "people", "annotator": "bob"}
    data.add(Preference.of(pair(0), FIRST, **ann))
    data.add(Preference.of(pair(0), FIRST, **bob))
    data.add(Preference.of(pair(0), None, revision=2, rationale=Rationale(text="blurred"), **ann))
    data.add(Preference.of(pair(0), SECOND, revision=1, **ann))  # arrives late, is not the latest
    data.add(Preference.of(pair(1), SECOND, **ann))
    assert [(at, one.annotator, one.revision) for at, one in data.current()] == [
        (2, "bob", 0),
        (3, "ann", 2),
        (5, "ann", 0),
    ]
    assert [at for at, _ in data.current([pair(0).id, "unknown"])] == [2, 3]
    assert data.current([]) == []
    assert len(data.preferences()) == 5


def test_answers_need_a_stored_query_and_finite_numbers(data: DataSet, pair: Ask) -> None:
    with pytest.raises(DataError, match="has no query"):
        data.add(Preference.of(pair(0), FIRST, source="oracle"))
    data.add_queries([pair(0)])
    for bad in ({"answer": Grades((float("nan"), 0.0))}, {"answer": FIRST, "strength": float("inf")}):
        with pytest.raises(DataError, match="not finite"):
            data.add(Preference.of(pair(0), source="oracle", **bad))
    assert data.preferences() == []


def test_queries_are_added_once_and_may_not_change(data: DataSet, pair: Ask, store: Store, segment: Ask) -> None:
    data.add_queries([pair(0), pair(1), pair(0)])
    data.add_queries([pair(1), pair(2)])
    assert store.data_sets()[0].queries == 3
    with pytest.raises(DataError, match="asks something else"):
        data.add_queries([replace(pair(1), question="similar")])
    with pytest.raises(DataError, match=r"no query 'nope'|no query nope"):
        data.queries(["nope"])


def test_the_database_itself_refuses_changes(data: DataSet, pair: Ask, store: Store) -> None:
    data.add_queries([pair(0)])
    data.add(Preference.of(pair(0), FIRST, source="oracle"))
    engine = sa.create_engine(store._database._engine.url)
    for statement in (
        "UPDATE preference SET source='me'",
        "DELETE FROM preference",
        "UPDATE query SET why=''",
        "DELETE FROM query",
    ):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
            connection.exec_driver_sql(statement)
    engine.dispose()
    assert data.preferences()[0][1].source == "oracle"


def test_open_queries_are_unanswered_and_unexpired(data: DataSet, pair: Ask) -> None:
    data.add_queries([pair(0), pair(1)])
    data.add_queries([pair(2)], expires=time.time() - 1)
    data.add_queries([pair(3)], expires=time.time() + 1000)
    data.add(Preference.of(pair(0), None, source="oracle"))
    assert data.open_queries() == [pair(1).id, pair(3).id]
    assert data.open_queries("oracle") == [pair(1).id, pair(3).id]
    assert data.open_queries("people") == [pair(0).id, pair(1).id, pair(3).id]


def test_ids_and_order_of_a_single_writer_do_not_depend_on_the_clock(store: Store, env: EnvInfo, pair: Ask) -> None:
    logs = []
    for created, name in ((1.0, "one"), (2e9, "two")):
        data = store.data_set(name, env)
        data.add_queries([pair(i) for i in range(3)])
        for i in (2, 0, 1):
            data.add(Preference.of(pair(i), FIRST, source="oracle", created=created))
        logs.append([(at, replace(one, created=0.0)) for at, one in data.preferences()])
    assert logs[0] == logs[1]


def write_some(url: str | None, folder: Path, env: EnvInfo, queries: list[Query], writer: str) -> None:
    with open_store(url, folder) as store:
        data = store.data_set("toy", env)
        data.add_queries(queries)
        for query in queries:
            data.add(Preference.of(query, FIRST, source=writer))


@pytest.mark.parametrize("url", ["sqlite", pytest.param("blank", marks=pytest.mark.needs("postgres"))], indirect=True)
def test_processes_that_write_at_once_share_one_sequence(
    url: str | None, tmp_path: Path, env: EnvInfo, pair: Ask, reopen: Reopen
) -> None:
    queries = [pair(i) for i in range(10)]
    spawn = multiprocessing.get_context("spawn")  # all of them create the store, too
    writers = [spawn.Process(target=write_some, args=(url, tmp_path, env, queries, f"writer{i}")) for i in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(50)
        assert writer.exitcode == 0
    with reopen() as store:
        written = store.data_set("toy").preferences()
        assert [at for at, _ in written] == list(range(1, 31))
        assert len({one.id for _, one in written}) == 30
        assert store.data_sets()[0].queries == 10
        assert store.data_set("toy").open_queries() == []


WRITER = """
import sys
from pathlib import Path
import numpy as np
from prefrl.store import open_store
from prefrl.types import EnvInfo, Preference, Query, Segment, Tiers
with open_store(sys.argv[3] or None, Path(sys.argv[1])) as store:
    data = store.data_set("toy", EnvInfo("Toy-v0", (3,), (2,)))
    for i in range(int(sys.argv[2]), 10**9):
        obs = np.full((2, 3), i, np.float32)
        query = Query.of("run", i, [Segment.of(obs, obs[:1, :2]), Segment.of(obs + 1, obs[:1, :2])])
        data.add_queries([query])
        preference = Preference.of(query, Tiers(((0,), (1,))), source="oracle")
        print(data.add(preference), preference.id, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_a_killed_writer_loses_nothing_it_acknowledged(
    url: str | None, tmp_path: Path, acknowledged: int, reopen: Reopen
) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), "0", url or ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(acknowledged)]
        os.kill(writer.pid, signal.SIGKILL)
        lines += writer.stdout.readlines()
    acked = dict(line.split() for line in lines if line.endswith("\n"))
    with reopen() as store:
        data = store.data_set("toy")
        stored = {str(at): one.id for at, one in data.preferences()}
        assert acked.items() <= stored.items()
        assert len(stored) <= len(acked) + 1  # at most the one whose acknowledgement was cut off
        assert data.verify() == []


def fill(data: DataSet, queries: list[Query]) -> None:
    for query in queries:
        data.add(Preference.of(query, FIRST, source="oracle", rationale=Rationale(text="x" * 2000)))


@only_sqlite
def test_a_full_disk_is_one_sentence_and_loses_nothing(data: DataSet, pair: Ask, store: Store) -> None:
    queries = [pair(i) for i in range(40)]
    data.add_queries(queries)
    data.add(Preference.of(queries[0], FIRST, source="oracle"))
    engine = store._database._engine
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    sa.event.listen(engine, "checkout", lambda raw, *_: raw.execute(f"PRAGMA max_page_count={pages}"))
    with pytest.raises(RunError, match=r"^The disk of the store .* is full .* safe.*: free some space"):
        fill(data, queries[1:])
    sa.event.listen(engine, "checkout", lambda raw, *_: raw.execute("PRAGMA max_page_count=1000000"))
    kept = len(data.preferences())
    assert [at for at, _ in data.preferences()] == list(range(1, kept + 1))
    assert data.add(Preference.of(queries[-1], SECOND, source="oracle")) == kept + 1
    assert data.verify() == []
