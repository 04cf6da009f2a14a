"""Who sees which question when, what becomes of their answers, and which checks are hidden among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from prefrl.store import DataSet, Store
from prefrl.types import Binary, Choice, Preference, Query, Tiers
from prefrl_human.answers import Refused, Sent
from prefrl_human.place import Place
from prefrl_human.records import served
from prefrl_human.session import Conflict, Serving, Session, Unknown

Terms = Callable[..., Place]
Ask = Callable[..., Query]


def sent(serving: Serving | str, revision: int = 0, outcome: str = "answered", **more: Any) -> Sent:
    query = serving if isinstance(serving, str) else serving.query.id
    if outcome == "answered" and not {"tiers", "best", "value"} & more.keys():
        more["tiers"] = [[0], [1]]
    values = {"id": uuid4(), "query": query, "revision": revision, "outcome": outcome, "seconds": 2.0, "age": 0.0}
    return Sent.model_validate(values | more)


def ids(servings: list[Serving]) -> list[str]:
    return [serving.query.id for serving in servings]


def test_the_same_is_shown_until_it_is_answered(store: Store, data: DataSet, place: Terms) -> None:
    session = Session(store, place())
    first = session.upcoming("ann", 3)
    assert ids(session.upcoming("ann", 3)) == ids(first)
    assert ids(Session(store, place()).upcoming("ann", 3)) == ids(first)  # another process, a reloaded page
    assert session.answer("ann", sent(first[0])) == 1
    then = session.upcoming("ann", 3)
    assert ids(then)[:2] == ids(first)[1:]
    assert [one.order for one in then[:2]] == [one.order for one in first[1:]]
    assert session.left() == 11


def test_sides_are_random_recorded_and_undone_in_the_answer(
    store: Store, empty: DataSet, ask: Ask, place: Terms
) -> None:
    data = empty
    data.add_queries([ask(i) for i in range(40)])
    session = Session(store, place())
    orders = Counter()
    for _ in range(40):
        (serving,) = session.upcoming("ann", 1)
        orders[serving.order] += 1
        session.answer("ann", sent(serving, tiers=[[0], [1]], seconds=3.5, reason=" it\x00 falls ", window=[2, 7]))
    assert min(orders.values()) > 8
    for _, preference in data.current():
        left = preference.shown_order[0]
        assert preference.answer == Tiers(((left,), (1 - left,)))  # always the left one
        assert preference.seconds == 3.5
        assert preference.rationale.text == "it  falls"
        assert preference.rationale.window == (2, 7)


def test_every_kind_of_question_has_its_answer(store: Store, empty: DataSet, ask: Ask, place: Terms) -> None:
    data = empty
    asked = [ask(0, 4), ask(1, 4), ask(2, 3, "choice"), ask(3, 1)]
    data.add_queries(asked)
    session = Session(store, place())
    answers = [{"tiers": [[2], [0, 3], [1]]}, {"best": 1}, {"best": 2}, {"value": 1.0}]
    for query, answer in zip(asked, answers, strict=True):
        (serving,) = session.upcoming("ann", 1)
        assert serving.query.id == query.id
        order = serving.order
        session.answer("ann", sent(serving, **answer))
        stored = data.current([query.id])[0][1].answer
        expected = [
            lambda o: Tiers(((o[2],), (o[0], o[3]), (o[1],))), lambda o: Choice(o[1]), lambda o: Choice(o[2]), lambda _: Binary((1.0,)),
        ][asked.index(query)](order)  # fmt: skip
        assert stored == expected


@pytest.mark.parametrize(
    "answer",
    [{"tiers": [[0]]}, {"tiers": [[0], [0, 1]]}, {"tiers": [[0], [], [1]]}, {"tiers": [[0], [5]]}, {"best": 1}, {"value": 1.0},
     {"tiers": [[0], [1]], "best": 0}, {"outcome": "skip", "tiers": [[0], [1]]}, {"window": [3, 3]}, {"window": [0, 99]}],
    ids=str,
)  # fmt: skip
def test_what_answers_no_question_is_refused(store: Store, data: DataSet, place: Terms, answer: dict[str, Any]) -> None:
    session = Session(store, place())
    (serving,) = session.upcoming("ann", 1)
    with pytest.raises(Refused):
        session.answer("ann", sent(serving, **answer))
    assert data.current() == []


def test_an_answer_before_the_clip_was_watched_is_refused_but_a_skip_is_not(
    store: Store, data: DataSet, place: Terms
) -> None:
    session = Session(store, place(watch=0.5))  # of one second
    (serving,) = session.upcoming("ann", 1)
    with pytest.raises(Refused, match=r"0.2 s; watch at least 0.5 s"):
        session.answer("ann", sent(serving, seconds=0.2))
    session.answer("ann", sent(serving, outcome="skip", seconds=0.2, reason="I cannot tell"))
    ((_, stored),) = data.current()
    assert (stored.outcome, stored.rationale.text) == ("skip", "I cannot tell")


def test_undo_is_a_revision_and_the_question_comes_again(store: Store, data: DataSet, place: Terms) -> None:
    session = Session(store, place())
    first = session.upcoming("ann", 1)[0]
    session.answer("ann", sent(first))
    session.answer("ann", sent(first, 1, "withdrawn"))
    assert session.answered("ann") == 0
    for process in (session, Session(store, place())):
        again = process.upcoming("ann", 2)
        assert (again[0].query.id, again[0].revision, again[0].order) == (first.query.id, 2, first.order)
    session.answer("ann", sent(again[0], 2, tiers=[[1], [0]]))
    assert [p.revision for _, p in data.preferences()] == [0, 1, 2]
    assert session.upcoming("ann", 1)[0].query.id != first.query.id


def test_messages_may_come_twice_and_in_any_order(store: Store, data: DataSet, place: Terms) -> None:
    session = Session(store, place())
    (serving,) = session.upcoming("ann", 1)
    messages = [sent(serving), sent(serving, 1, "withdrawn"), sent(serving, 2, tiers=[[0, 1]])]
    for message in [messages[2], messages[0], messages[2], messages[1], messages[0], messages[1]]:
        session.answer("ann", message)
    assert len(data.preferences()) == 3
    assert data.current()[0][1].answer == Tiers(((0, 1),)) or data.current()[0][1].answer == Tiers(((1, 0),))
    with pytest.raises(Conflict):
        session.answer("ann", sent(serving, 2, tiers=[[0], [1]]))  # another tab had another opinion
    with pytest.raises(Unknown):
        session.answer("ann", sent("0" * 64))


def test_nobody_answers_what_others_have_but_late_is_not_too_late(
    store: Store, data: DataSet, place: Terms, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefrl.store import sessions

    now = [1000.0]
    monkeypatch.setattr(sessions.time, "time", lambda: now[0])
    session = Session(store, place(lease=60))
    (anns,) = session.upcoming("ann", 1)
    with pytest.raises(Conflict, match="meanwhile"):
        session.answer("bob", sent(anns))
    now[0] += 61
    (bobs,) = session.upcoming("bob", 1)
    assert bobs.query.id == anns.query.id
    session.answer("bob", sent(bobs))
    session.answer("ann", sent(anns))  # was offline for a minute
    assert len(data.current()) == 2


# --- checks ----------------------------------------------------------------------------------------------------------


def test_checks_are_hidden_among_questions_and_kept_apart(store: Store, empty: DataSet, ask: Ask, place: Terms) -> None:
    data = empty
    data.add_queries([ask(i) for i in range(40)])
    for i in range(30, 40):
        data.add(Preference.of(ask(i), Tiers(((1,), (0,))), source="expert"))
    session = Session(store, place(checks={"rate": 0.4, "after": 4, "known": "expert"}))
    while session.left():
        serving = session.upcoming("ann", 3)[0]
        session.answer("ann", sent(serving, tiers=[[0], [1]]))
    answers = served(store, "toy", "human")
    found = [one for one in answers if one.check is not None]
    assert len(answers) - len(found) == 30
    assert len(found) / len(answers) == pytest.approx(0.4, abs=0.06)
    assert set(Counter(one.check.kind for one in found)) == {"repeat", "mirror", "known"}
    first = {one.query.id: one.answer for one in answers if one.check is None}
    for one in found:
        if one.check.kind == "known":
            assert one.check.expected == Tiers(((1,), (0,)))
            continue
        before = first[one.check.of]
        same = before.shown_order if one.check.kind == "repeat" else before.shown_order[::-1]
        assert one.answer.shown_order == same
        assert (one.answer.answer == before.answer) == (one.check.kind == "repeat")  # always the left one
    assert all(one.check is None for one in answers[:4])
    assert len(data.current()) == 40  # training sees the questions only


def test_a_restart_goes_on_with_the_same_check(store: Store, data: DataSet, place: Terms) -> None:
    terms = place(checks={"rate": 0.5, "after": 3})
    session = Session(store, terms)
    for _ in range(6):
        session.answer("ann", sent(session.upcoming("ann", 3)[0]))
    again = Session(store, terms)
    assert ids(again.upcoming("ann", 3)) == ids(session.upcoming("ann", 3))
    check = next(one for one in session.upcoming("ann", 3) if one.check is not None)
    fresh = Session(store, terms)
    fresh.answer("ann", sent(check))  # sent to the old process, arrives at the new one
    assert any(one.query.id == check.query.id and one.check == check.check for one in served(store, "toy"))
