"""Leases give each query to as many people as wanted, and clips are recorded beside items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from prefrl.errors import DataError
from prefrl.store import Clip, DataSet, Store, sessions
from prefrl.types import Preference, Query, Tiers

Ask = Callable[[int], Query]
FIRST = Tiers(((0,), (1,)))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(sessions.time, "time", lambda: now[0])
    return now


def answer(data: DataSet, query: Query, who: str) -> None:
    data.add(Preference.of(query, FIRST, source="people", annotator=who))


def test_two_people_never_hold_one_query(data: DataSet, pair: Ask, clock: list[float]) -> None:
    data.add_queries([pair(0), pair(1)])
    assert data.lease("ann", 60) == pair(0).id
    assert data.lease("ann", 60) == pair(0).id  # a page reloaded
    assert data.lease("bob", 60) == pair(1).id
    assert data.lease("cyd", 60) is None
    answer(data, pair(0), "ann")
    assert data.lease("ann", 60) is None
    clock[0] += 61  # bob went home
    assert data.lease("cyd", 60) == pair(1).id
    assert data.lease("bob", 60) is None


def test_people_who_answer_at_once_stay_within_the_quota(data: DataSet, pair: Ask) -> None:
    queries = {query.id: query for query in map(pair, range(10))}
    data.add_queries(queries.values())

    def work(who: str) -> int:
        given = 0
        while (key := data.lease(who, 60, overlap=2)) is not None:
            answer(data, queries[key], who)
            given += 1
        return given

    with ThreadPoolExecutor(6) as people:
        given = sum(people.map(work, [f"p{i}" for i in range(6)]))
    stored = [(one.query_id, one.annotator) for _, one in data.preferences()]
    assert [at for at, _ in data.preferences()] == list(range(1, given + 1))
    assert len(set(stored)) == len(stored) == given
    assert max(Counter(key for key, _ in stored).values()) == 2
    assert {key for key, _ in stored} == set(queries)


def test_asking_again_prolongs_a_lease(data: DataSet, pair: Ask, clock: list[float]) -> None:
    data.add_queries([pair(0)])
    data.lease("ann", 60)
    clock[0] += 50
    data.lease("ann", 60)
    clock[0] += 50
    assert data.lease("bob", 60) is None


def test_overlap_asks_several_people_and_finishes_begun_queries_first(
    data: DataSet, pair: Ask, clock: list[float]
) -> None:
    data.add_queries([pair(0), pair(1)])
    answer(data, pair(1), "ann")
    assert data.lease("bob", 60, overlap=2) == pair(1).id
    assert data.lease("ann", 60, overlap=2) == pair(0).id  # never one's own again
    answer(data, pair(1), "bob")
    assert data.lease("cyd", 60, overlap=2) == pair(0).id
    assert data.lease("dan", 60, overlap=2) is None


def test_an_expired_query_is_not_given_out(data: DataSet, pair: Ask, clock: list[float]) -> None:
    data.add_queries([pair(0)], expires=clock[0] + 10)
    clock[0] += 11
    assert data.lease("ann", 60) is None


def test_clips_of_an_item(data: DataSet, pair: Ask) -> None:
    data.add_queries([pair(0)])
    item, other = (one.id for one in pair(0).items)
    clip = Clip("c1", item, "videos/c1.mp4", "h264", 256, 256, 20.0, "0" * 64)
    data.add_clip(clip)
    data.add_clip(clip)
    assert data.clips([item, other]) == {item: [clip]}


# --- several at once, and who may answer -----------------------------------------------------------------------------


def test_what_is_held_keeps_its_order_and_is_filled_up(data: DataSet, pair: Ask, clock: list[float]) -> None:
    queries = [pair(i) for i in range(4)]
    data.add_queries(queries)
    ids = [query.id for query in queries]
    assert data.leases("ann", 60, n=2) == ids[:2]
    assert data.lease("ann", 60) == ids[0]
    clock[0] += 10
    assert data.leases("ann", 60, n=2) == ids[:2]  # though only the first was prolonged just now
    assert data.leases("bob", 60, n=3) == ids[2:]
    answer(data, queries[0], "ann")
    assert data.leases("ann", 60, n=2) == ids[1:2]  # bob holds the others


def test_who_was_given_a_query_may_answer_it_late_and_a_stranger_not(
    data: DataSet, pair: Ask, clock: list[float]
) -> None:
    data.add_queries([pair(0), pair(1)])
    first = pair(0).id
    assert data.admits(first, "bob")  # nobody has it
    data.lease("ann", 60)
    assert not data.admits(first, "bob")
    assert data.admits(first, "bob", overlap=2)
    clock[0] += 61
    assert data.lease("bob", 60) == first
    answer(data, pair(0), "bob")
    assert data.admits(first, "ann")  # offline for a while
    assert data.admits(first, "bob")  # a changed mind
    assert not data.admits(first, "cyd")


def test_a_renewed_token_replaces_the_old_one(store: Store) -> None:
    old = store.add_annotator("ann")
    new = store.renew_token("ann")
    assert (store.annotator(old), store.annotator(new)) == (None, "ann")
    store.add_annotator("bob")
    store.revoke("bob")
    assert store.annotators() == ["ann"]
    with pytest.raises(DataError, match="no annotator 'cyd'"):
        store.renew_token("cyd")
