"""Clips become features, answers become orders, and what cannot be planned for is None."""

from __future__ import annotations

import numpy as np
import pytest

from prefrl.types import Choice, Preference, Query, Segment, Text, Tiers
from prefrl_human import outlook as module
from prefrl_human.outlook import features, outlook
from prefrl_human.records import Check, Served

RNG = np.random.default_rng(100)
CLIPS = [Segment.of(RNG.normal(size=(6, 3)) + RNG.normal(size=3), RNG.normal(size=(5, 2))) for _ in range(24)]


def test_features_are_uncorrelated_and_of_one_size() -> None:
    found = features(CLIPS)
    assert found is not None
    assert found.shape == (24, 6)
    np.testing.assert_allclose(found.T @ found / 24, np.eye(6), atol=1e-9)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-9)


def test_texts_few_clips_and_equal_clips_have_none() -> None:
    assert features([Text("a", str(i)) for i in range(30)]) is None
    assert features(CLIPS[:9]) is None
    assert features([Segment.of(np.zeros((3, 2)), np.full((2, 1), 1.0)) for _ in range(20)]) is None


def served(number: int, answer: object, k: int = 2, seconds: float = 4.0, check: Check | None = None) -> Served:
    items = tuple(CLIPS[(number + i) % 24] for i in range(k))
    query = Query(f"q{number}", items, "pair" if k == 2 else "ranking")
    given = Preference(f"p{number}", query.id, "human", answer, annotator="ann", seconds=seconds)  # type: ignore[arg-type]
    return Served(query, given, check)


def test_only_answers_that_order_clips_count(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list = []
    monkeypatch.setattr(module, "plan", lambda found, orders, rng, **rest: told.append((orders, rest)))
    answers = [
        served(0, Tiers(((1,), (0,)))),
        served(1, Choice(0)),
        served(2, Tiers(((0, 1),))),
        served(3, None),
        served(4, Tiers(((2,), (0, 1), (3,))), k=4, seconds=10.0),
        served(5, Tiers(((0,), (1,))), check=Check("repeat", of="q0")),
    ]
    answers += [served(6 + i, Tiers(((0,), (1,)))) for i in range(18)]
    answers += [served(24 + i, Tiers(((0,), (1,), (2,), (3,))), k=4, seconds=10.0) for i in range(4)]
    outlook(answers, RNG)
    orders, rest = told[0]
    assert len(orders) == 25
    assert [len(order) for order in orders[:3]] == [2, 2, 3]
    assert rest["seconds"] == (4.0, 10.0)
    outlook(answers[:-4], RNG)
    assert told[1][1]["seconds"] == (4.0, 10.0)  # too few rankings: a guess from the pairs
