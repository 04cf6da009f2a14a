"""Krippendorff's alpha against his own published figures, and its meaning for pairs of clips."""

from __future__ import annotations

import math

import numpy as np
import pytest

from prefrl.types import Binary, Choice, Grades, Tiers, Triplet
from prefrl_human.agreement import among, krippendorff, relation

_ = np.nan
FOUR_OBSERVERS = np.array(  # Krippendorff (2011), section C: 12 units, missing data
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
)


def test_published_values() -> None:
    assert krippendorff(FOUR_OBSERVERS) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff(FOUR_OBSERVERS, "interval") == pytest.approx(0.849, abs=5e-4)
    two = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]], float)  # section A
    assert krippendorff(two) == pytest.approx(0.095, abs=5e-4)


def test_nothing_in_common_is_no_agreement_at_all() -> None:
    assert math.isnan(krippendorff(np.array([[1.0, _], [_, 1.0]])))
    assert math.isnan(krippendorff(np.full((2, 3), _)))
    assert math.isnan(krippendorff(np.ones((2, 3))))  # nobody could have disagreed


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Tiers(((2,), (0, 1))), {(0, 1): 0, (0, 2): -1, (2, 1): 1}),
        (Tiers(((1,), (0,))), {(0, 1): -1, (1, 0): 1, (0, 2): None}),
        (Choice(1), {(1, 0): 1, (0, 1): -1, (0, 2): None}),
        (Grades((1.0, 3.0, 1.0)), {(0, 1): -1, (0, 2): 0}),
        (Binary((1.0, 0.0)), {(0, 1): 1}),
        (Triplet(1), {(1, 2): None}),
    ],
)
def test_what_an_answer_says_of_two_items(answer: object, expected: dict) -> None:
    assert {pair: relation(answer, *pair) for pair in expected} == expected


def test_alpha_of_people_does_not_depend_on_which_clip_a_question_names_first() -> None:
    rng = np.random.default_rng(100)
    said = [(f"p{i}", f"q{q}", {("a", "b"): int(rng.integers(-1, 2))}) for q in range(30) for i in range(3)]
    turned = [(p, q, {("b", "a"): -pairs["a", "b"]}) if int(q[1:]) % 2 else (p, q, pairs) for p, q, pairs in said]
    assert among(turned) == pytest.approx(among(said))
    assert abs(among(said)) < 0.2
    agreed = [(p, q, {("a", "b"): int(q[1:]) % 2 * 2 - 1}) for p, q, _ in said]
    assert among(agreed) == 1.0
    assert math.isnan(among([]))
