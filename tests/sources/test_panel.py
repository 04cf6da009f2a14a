"""Sources are asked in their order and within their budgets, nothing is asked twice, and every answer is on disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from prefrl.errors import BadAnswer, ConfigError
from prefrl.settings import SourceSettings
from prefrl.sources import panel as panel_module
from prefrl.sources.panel import Panel, Seat, seat
from prefrl.specs import AskContext, BuildContext, Desk, Needs, SourceSpec
from prefrl.store import DataSet, open_store
from prefrl.types import EnvInfo, Factor, Preference, Query, Segment, Tiers

ENV = EnvInfo("Toy-v0", (1,), (1,), factors={"speed": Factor("speed"), "height": Factor("height", privileged=False)})
FIRST, SECOND = Tiers(((0,), (1,))), Tiers(((1,), (0,)))


def query(i: int) -> Query:
    def piece(value: float) -> Segment:
        return Segment.of(
            np.full((3, 1), value), np.zeros((2, 1)), true_reward=np.ones(2),
            factors={"speed": np.ones(2), "height": np.ones(2)},
        )  # fmt: skip

    return Query.of("run", i, [piece(i), piece(i + 0.5)])


QUERIES = [query(i) for i in range(4)]


class Teacher:
    """Answers the queries it has an opinion on, and remembers what it was asked."""

    def __init__(self, name: str, opinion: Callable[[int], bool] = lambda i: True) -> None:
        self.name, self.opinion = name, opinion
        self.asked: list[list[int]] = []
        self.seen: list[Query] = []

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        self.asked.append([q.round for q in queries])
        self.seen += queries
        for q in queries:
            if self.opinion(q.round):
                yield Preference.of(q, FIRST, source=self.name)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataSet]:
    with open_store(None, tmp_path / "runs") as store:
        yield store.data_set("toy", ENV)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel_module, "POLL_SECONDS", 0.005)


def sat(teacher: Teacher, needs: Needs = frozenset(), **settings: Any) -> Seat:
    spec = SourceSpec(name="teacher", summary="", build=lambda *_: teacher)
    return Seat(teacher.name, spec, SourceSettings(**settings), needs, teacher)


def deferred(wait: Literal["all", "some", "none"], **settings: Any) -> Seat:
    spec = SourceSpec(name="people", summary="", build=lambda *_: None, deferred=True)
    return Seat("people", spec, SourceSettings(wait=wait, **settings), frozenset(), None)


def context(_: Seat) -> AskContext:
    return AskContext(0, 1, np.random.default_rng(0))


def ask(panel: Panel, queries: Sequence[Query] = QUERIES) -> list[tuple[str, int]]:
    rounds = {q.id: q.round for q in queries}
    return [(answer.source, rounds[answer.query_id]) for answer in panel.ask(queries, context)]


def test_lower_order_is_asked_first_and_what_it_leaves_goes_on(data: DataSet) -> None:
    careful, last = Teacher("careful", lambda i: i % 2 == 0), Teacher("last", lambda i: i != 3)
    panel = Panel([sat(last, order=5), sat(careful, order=1)], data, ENV)
    assert ask(panel) == [("careful", 0), ("careful", 2), ("last", 1)]
    assert careful.asked == [[0, 1, 2, 3]]
    assert last.asked == [[1, 3]]
    assert [p.source for _, p in data.current()] == ["careful", "careful", "last"]
    assert data.open_queries() == [QUERIES[3].id]
    assert len(panel) == 2


def test_a_source_with_nothing_left_is_not_asked(data: DataSet) -> None:
    all_knowing, idle = Teacher("a"), Teacher("b")
    ask(Panel([sat(all_knowing), sat(idle)], data, ENV))
    assert idle.asked == []


def test_beyond_its_budget_a_source_is_not_asked_and_the_next_one_is(data: DataSet) -> None:
    careful, last = Teacher("careful"), Teacher("last")
    panel = Panel([sat(careful, budget=3), sat(last, order=1)], data, ENV)
    assert ask(panel) == [("careful", 0), ("careful", 1), ("careful", 2), ("last", 3)]
    later = [query(10), query(11)]
    assert ask(panel, later) == [("last", 10), ("last", 11)]
    assert careful.asked == [[0, 1, 2]]


def test_what_was_asked_counts_after_a_resume(data: DataSet) -> None:
    teacher = Teacher("t")
    panel = Panel([sat(teacher, budget=3)], data, ENV)
    ask(panel, QUERIES[:2])
    again = Panel([sat(teacher, budget=3)], data, ENV)
    again.load_state_dict(panel.state_dict())
    assert ask(again, QUERIES[2:]) == [("t", 2)]


def test_a_redone_round_asks_nothing_twice(data: DataSet) -> None:
    one = Teacher("t", lambda i: i < 2)
    ask(Panel([sat(one)], data, ENV))
    two = Teacher("t")
    assert ask(Panel([sat(two)], data, ENV)) == [("t", 0), ("t", 1), ("t", 2), ("t", 3)]
    assert two.asked == [[2, 3]]
    assert len(data.preferences()) == 4


def test_an_answer_is_on_disk_before_the_next_is_asked_for(data: DataSet) -> None:
    durable = []

    class Slow(Teacher):
        def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
            for q in queries:
                durable.append(len(data.preferences()))
                yield Preference.of(q, FIRST, source=self.name)

    ask(Panel([sat(Slow("slow"))], data, ENV))
    assert durable == [0, 1, 2, 3]


def test_answers_before_a_failure_are_kept(data: DataSet) -> None:
    class Broken(Teacher):
        def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
            yield Preference.of(queries[0], FIRST, source=self.name)
            yield Preference.of(query(99), FIRST, source=self.name)

    with pytest.raises(BadAnswer, match="'broken'"):
        ask(Panel([sat(Broken("broken"))], data, ENV))
    assert [p.query_id for _, p in data.preferences()] == [QUERIES[0].id]


def test_a_source_sees_what_it_declared(data: DataSet) -> None:
    for needs, reward, factors in (
        (frozenset(), False, set()),
        (frozenset({"factors"}), False, {"height"}),
        (frozenset({"true_reward", "privileged_factors"}), True, {"speed"}),
    ):
        teacher = Teacher("t" + "".join(sorted(needs)))
        ask(Panel([sat(teacher, needs)], data, ENV))
        item = teacher.seen[0].items[0]
        assert isinstance(item, Segment)
        assert (item.true_reward is not None, set(item.factors)) == (reward, factors)


def test_a_second_opinion_on_all_or_on_a_share_of_what_was_decided(data: DataSet) -> None:
    one, other = Teacher("one", lambda i: i != 2), Teacher("other")
    assert ask(Panel([sat(one), sat(other, overlap=1.0)], data, ENV))[3:] == [("other", i) for i in range(4)]
    many = [query(100 + i) for i in range(200)]
    both = ask(Panel([sat(one), sat(Teacher("third"), overlap=0.25, budget=500)], data, ENV), many)
    assert 30 <= sum(source == "third" for source, _ in both) <= 70
    again = ask(Panel([sat(one), sat(Teacher("third"), overlap=0.25)], data, ENV), many)
    assert both == again


def test_a_second_opinion_counts_against_the_budget(data: DataSet) -> None:
    one, other = Teacher("one"), Teacher("other")
    assert ask(Panel([sat(one), sat(other, overlap=1.0, budget=2)], data, ENV))[4:] == [("other", 0), ("other", 1)]


def test_weights_are_by_instance(data: DataSet) -> None:
    panel = Panel([sat(Teacher("a"), weight=2.0), sat(Teacher("b"))], data, ENV)
    assert panel.weights == {"a": 2.0, "b": 1.0}


# --- deferred sources -----------------------------------------------------------------------------------------------


def people(data: DataSet, seconds: float, which: Sequence[int], source: str = "people") -> threading.Thread:
    """Somebody else who answers open queries through the store, one after the other."""

    def work() -> None:
        while len(data.open_queries()) < len(QUERIES):
            time.sleep(0.002)
        for i in which:
            time.sleep(seconds)
            data.add(Preference.of(QUERIES[i], SECOND, source=source))

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_waiting_for_all_returns_all_in_the_order_they_came(data: DataSet) -> None:
    thread = people(data, 0.01, [2, 0, 3, 1])
    answers = ask(Panel([deferred("all")], data, ENV))
    thread.join()
    assert answers == [("people", 2), ("people", 0), ("people", 3), ("people", 1)]


def test_waiting_for_some_goes_on_with_the_first(data: DataSet) -> None:
    thread = people(data, 0.3, [1, 2])
    answers = ask(Panel([deferred("some")], data, ENV))
    assert answers == [("people", 1)]
    thread.join()
    assert len(data.preferences()) == 2  # the late one is there for whoever reads the data set next


def test_not_waiting_leaves_the_queries_open(data: DataSet) -> None:
    assert ask(Panel([deferred("none")], data, ENV)) == []
    assert data.open_queries() == [q.id for q in QUERIES]
    data.add(Preference.of(QUERIES[1], SECOND, source="people"))
    assert ask(Panel([deferred("none")], data, ENV)) == [("people", 1)]  # asked again, what came meanwhile counts


def test_what_people_leave_goes_on_to_the_next(data: DataSet) -> None:
    teacher = Teacher("t")
    data.add_queries(QUERIES)
    data.add(Preference.of(QUERIES[0], SECOND, source="people"))
    panel = Panel([deferred("none"), sat(teacher, order=1)], data, ENV)
    assert ask(panel) == [("people", 0), ("t", 1), ("t", 2), ("t", 3)]


def test_answers_of_others_are_not_waited_for(data: DataSet) -> None:
    data.add_queries(QUERIES)
    for q in QUERIES:
        data.add(Preference.of(q, FIRST, source="somebody else"))
    timer = threading.Timer(0.05, lambda: [data.add(Preference.of(q, SECOND, source="people")) for q in QUERIES])
    timer.start()
    answers = ask(Panel([deferred("all")], data, ENV))
    timer.join()
    assert [source for source, _ in answers] == ["people"] * 4


# --- building -------------------------------------------------------------------------------------------------------


def test_a_source_that_cannot_answer_the_kind_of_question_is_refused() -> None:
    built = BuildContext(run="run", name="t", seed=0, env=ENV)
    spec = SourceSpec(
        name="teacher", summary="", build=lambda options, context: Teacher(context.name), needs=frozenset({"frames"})
    )
    with pytest.raises(
        ConfigError, match=r"sources.t: 'teacher' cannot answer 'binary' questions \(it answers pair, ranking\)"
    ):
        seat("t", spec, SourceSettings(), built, "binary")
    made = seat("t", spec, SourceSettings(), built, "pair")
    assert isinstance(made.source, Teacher)
    assert made.needs == {"frames"}


def test_a_source_that_may_never_be_asked_is_refused() -> None:
    built = BuildContext(run="run", name="t", seed=0, env=ENV)
    spec = SourceSpec(name="teacher", summary="", build=lambda options, context: Teacher(context.name))
    with pytest.raises(ConfigError, match=r"sources.t: with a budget of 0 it is never asked; raise it"):
        seat("t", spec, SourceSettings(budget=0), built, "pair")


class Crowd:
    """A deferred source that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def open(self, desk: Desk) -> None:
        self.told.append(desk.data_set)

    def waiting(self, answered: int, asked: int) -> None:
        self.told.append((answered, asked))
        raise RuntimeError("nobody is there")

    def close(self) -> None:
        self.told.append("closed")


def test_a_deferred_source_is_told_of_the_run_and_may_end_it(data: DataSet, tmp_path: Path) -> None:
    crowd = Crowd()
    built = BuildContext(run="run", name="p", seed=0, env=ENV)
    spec = SourceSpec(name="people", summary="", build=lambda *_: crowd, deferred=True)
    taken = seat("p", spec, SourceSettings(), built, "pair")
    assert taken.source is None
    panel = Panel([taken], data, ENV)
    panel.open(Desk(None, tmp_path, data.name, answers=2))
    with pytest.raises(RuntimeError, match="nobody is there"):
        ask(panel)
    panel.close()
    assert crowd.told == [data.name, (0, len(QUERIES)), "closed"]


class Wary(Crowd):
    def distrusted(self) -> list[str]:
        return ["bob"]


def test_a_deferred_source_may_say_whom_not_to_learn_from(data: DataSet) -> None:
    seats = []
    for name, crowd in (("p", Crowd()), ("q", Wary())):
        spec = SourceSpec(name="people", summary="", build=lambda *_, crowd=crowd: crowd, deferred=True)
        seats.append(seat(name, spec, SourceSettings(), BuildContext(run="run", name=name, seed=0, env=ENV), "pair"))
    assert Panel(seats, data, ENV).distrusted() == {("q", "bob")}
