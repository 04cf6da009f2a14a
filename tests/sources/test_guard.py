"""A source sees what it declared and nothing else; what it answers is sound or refused by name."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from prefrl.errors import BadAnswer
from prefrl.segments import SegmentPool
from prefrl.sources.guard import VisiblePool, checked, hide
from prefrl.types import (
    Answer,
    Binary,
    Candidate,
    Choice,
    Episode,
    Grades,
    Preference,
    Query,
    Rationale,
    Segment,
    Text,
    Tiers,
    Triplet,
)

PRIVILEGED = frozenset({"speed"})
VISIBLE = {"id", "obs", "action", "terminated", "dt", "env_id", "episode", "start"}


def segment(seed: int = 0) -> Segment:
    rng = np.random.default_rng(seed)
    channel = {"policy_action": rng.random((4, 2)), "log_prob": rng.random(4), "states": rng.random((5, 7))}
    return Segment.of(
        rng.random((5, 3)),
        rng.random((4, 2)),
        true_reward=rng.random(4),
        cost={"energy": rng.random(4)},
        factors={"speed": rng.random(4), "height": rng.random(4)},
        extras={"pose": rng.random(4)},
        terminated=True,
        episode="e",
        start=3,
        **channel,
    )


def query(k: int = 2, kind: str = "pair") -> Query:
    return Query.of("run", 0, [segment(i) for i in range(k)], kind=kind)


def seen(needs: set[str]) -> set[str]:
    """What of a segment's channels a source with these needs can read."""
    item = hide(query(), frozenset(needs), PRIVILEGED).items[0]
    found = set()
    for field in fields(item):
        value = getattr(item, field.name)
        if isinstance(value, dict):
            found |= {f"{field.name}/{name}" for name in value}
        elif value is not None:
            found.add(field.name)
    return found


@pytest.mark.parametrize(
    ("needs", "more"),
    [
        (set(), set()),
        ({"true_reward"}, {"true_reward", "cost/energy"}),
        ({"factors"}, {"factors/height"}),
        ({"privileged_factors"}, {"factors/speed", "extras/pose"}),
        ({"states"}, {"states"}),
        ({"frames"}, {"states"}),
        ({"policy"}, {"policy_action", "log_prob"}),
        ({"pool", "env", "text", "critic"}, set()),
    ],
)
def test_each_need_opens_its_channels_only(needs: set[str], more: set[str]) -> None:
    assert seen(needs) == VISIBLE | more


def test_ids_and_question_stay_and_the_original_is_untouched() -> None:
    full = query()
    bare = hide(full, frozenset(), PRIVILEGED)
    assert (bare.id, bare.kind, bare.question) == (full.id, full.kind, full.question)
    assert [item.id for item in bare.items] == [item.id for item in full.items]
    assert full.items[0].true_reward is not None
    again = Segment.of(bare.items[0].obs, bare.items[0].action)
    assert again.id == full.items[0].id  # an id tells nothing of what was hidden


def test_the_clip_of_a_candidate_is_stripped_too() -> None:
    text, candidate = Text("?", "!"), Candidate("walker", clip=segment())
    asked = Query.of("run", 0, [text, candidate])
    shown = hide(asked, frozenset(), PRIVILEGED)
    assert shown.items[0] == text
    assert shown.items[1].clip.true_reward is None
    assert shown.items[1].id == candidate.id


def give(asked: Query, answer: Answer | None, **rest: object) -> list[Preference]:
    return list(checked([Preference.of(asked, answer, source="careful", **rest)], [asked], "careful"))


@pytest.mark.parametrize(
    ("kind", "k", "answer"),
    [
        ("pair", 2, Tiers(((1,), (0,)))),
        ("pair", 2, Tiers(((0, 1),))),
        ("pair", 2, Choice(0)),
        ("pair", 2, Grades((0.0, 3.0))),
        ("pair", 2, None),
        ("ranking", 4, Tiers(((3,), (0, 1)))),
        ("choice", 3, Choice(2)),
        ("choice", 3, Tiers(((2,),))),
        ("grade", 1, Grades((-4.0,))),
        ("binary", 2, Binary((0.0, 1.0))),
        ("similarity", 3, Triplet(1)),
    ],
)
def test_sound_answers_pass(kind: str, k: int, answer: Answer | None) -> None:
    assert [one.answer for one in give(query(k, kind), answer)] == [answer]


NAN = float("nan")


@pytest.mark.parametrize(
    ("kind", "k", "answer", "words"),
    [
        ("pair", 2, Tiers(((0,),)), "rank 1 items, at least 2"),
        ("pair", 2, Tiers(((0,), (2,))), "do not name items 0 to 1"),
        ("pair", 2, Tiers(((0,), (0,))), "at most once each"),
        ("pair", 2, Tiers(((0, 1), ())), "at most once each"),
        ("pair", 2, Binary((0.0, 1.0)), "it is Binary, allowed: Tiers, Choice, Grades"),
        ("pair", 2, Grades((0.0,)), "1 values for 2 items"),
        ("pair", 2, Grades((0.0, NAN)), "nan is no finite number"),
        ("ranking", 4, Tiers(((3,),)), "at least 2"),
        ("choice", 3, Choice(3), "none of items 0 to 2"),
        ("choice", 3, Choice(-1), "none of items 0 to 2"),
        ("binary", 1, Binary((1.5,)), "from 0.0 to 1.0"),
        ("similarity", 3, Triplet(0), "allowed are 1 and 2"),  # type: ignore[arg-type]
        ("similarity", 3, Tiers(((0,),)), "it is Tiers, allowed: Triplet"),
    ],
)
def test_nonsense_is_refused_naming_source_and_query(kind: str, k: int, answer: Answer, words: str) -> None:
    asked = query(k, kind)
    with pytest.raises(BadAnswer, match=words) as caught:
        give(asked, answer)
    assert "Source 'careful'" in str(caught.value)
    assert asked.id in str(caught.value)


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ({"strength": NAN}, "strength is nan"),
        ({"seconds": float("inf")}, "seconds is inf"),
        ({"shown_order": (0, 0)}, "is no order of 2 items"),
        ({"rationale": Rationale(window=(3, 3))}, "window"),
    ],
)
def test_nonsense_beside_the_answer_is_refused(rest: dict[str, object], words: str) -> None:
    with pytest.raises(BadAnswer, match=words):
        give(query(), Choice(0), **rest)


def test_skips_and_answers_are_not_confused() -> None:
    asked = query()
    skipped = replace(Preference.of(asked, None, source="careful"), outcome="answered")
    with pytest.raises(BadAnswer, match="a skip has None"):
        list(checked([skipped], [asked], "careful"))


def test_unknown_doubled_and_foreign_answers_are_refused_where_they_come() -> None:
    asked, other = query(), query(3)
    good = Preference.of(asked, Choice(0), source="careful")
    for bad, words in (
        (good, "answered before"),
        (Preference.of(other, Choice(0), source="careful"), "not asked"),
        ("first", "a str"),
    ):
        stream = checked([good, bad], [asked], "careful")  # type: ignore[list-item]
        assert next(stream) is good  # what came before stands
        with pytest.raises(BadAnswer, match=words):
            next(stream)


def test_a_pool_shows_what_was_declared_and_no_more() -> None:
    rows = (np.zeros((7, 1)), np.zeros((6, 1)), np.ones(6))
    factors = {"height": np.ones(6), "speed": np.ones(6)}
    whole = SegmentPool([Episode("0", *rows, factors=factors, truncated=True)], steps=6, stride=1)
    blind, seeing = (
        VisiblePool(whole, frozenset(needs), frozenset({"speed"})) for needs in ({"factors"}, {"true_reward"})
    )
    (index,) = blind.sample(1, 3, np.random.default_rng(0))
    for hidden in (blind.segment(index), *blind.recent(10)):
        assert hidden.true_reward is None
        assert set(hidden.factors) == {"height"}
    (index,) = seeing.sample(1, 3, np.random.default_rng(0))
    for shown in (seeing.segment(index), *seeing.recent(10)):
        assert shown.true_reward is not None
        assert shown.factors == {}
