"""Pairs are decided by the first level that tells them apart; a ranking states nothing that no level decided."""

from __future__ import annotations

from itertools import permutations
from math import erf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl_heron.hierarchy import chain, circles, decide
from prefrl_heron.margins import differences, margins_for

UNIT = np.ones(2)


def pair(a: tuple[float, ...], b: tuple[float, ...], margins: tuple[float, ...]) -> tuple[int, int]:
    """(1 if a wins, -1 if b wins, 0; the level that decided)."""
    decisions = decide(np.array([a, b], float), np.array(margins))
    return int(decisions.winner[0, 1]), int(decisions.level[0, 1])


def wins(*beats: tuple[int, int], k: int) -> np.ndarray:
    winner = np.zeros((k, k), np.int64)
    for i, j in beats:
        winner[i, j], winner[j, i] = 1, -1
    return winner


def test_the_examples_of_the_paper() -> None:
    a, b = (1.0, 0.0), (0.95, 5.0)
    assert pair(a, b, (0.1, 0.1)) == (-1, 1)  # too close on the first level, the second decides
    assert pair(a, b, (0.0, 0.0)) == (1, 0)  # strict order
    assert pair((1.0, 1.0), (1.0, 1.0), (0.0, 0.0)) == (0, -1)  # discarded, not a tie
    assert pair(a, b, (np.inf, 0.1)) == (-1, 1)  # an infinite margin: the level is ignored


def test_three_levels_with_a_tolerance() -> None:
    zero = (0.0, 0.0, 0.0)
    rows = [(0.05, -0.5, 9.0), (0.3, -9.0, -9.0), (0.05, 0.05, 0.05)]
    assert [pair(row, zero, (0.1, 0.1, 0.1))[0] for row in rows] == [-1, 1, 0]  # p = 0, 1 and 1/2 (undecided)


def test_a_difference_of_exactly_the_margin_does_not_decide() -> None:
    assert pair((0.5, 0.0), (0.0, 1.0), (0.5, 0.5)) == (-1, 1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=6))
def test_turning_a_question_round_turns_its_answer_round(rows: list[tuple[float, float, float]]) -> None:
    levels = np.array(rows)
    winner = decide(levels, np.array([0.5, 0.2, 0.0])).winner
    assert (winner == -winner.T).all()
    assert (decide(-levels, np.array([0.5, 0.2, 0.0])).winner == -winner).all()


@pytest.mark.parametrize(("margin", "share", "second"), [(0.5, 0.7237, 0.928), (1.0, 0.4795, 0.722)])
def test_shares_decided_of_independent_normal_factors(margin: float, share: float, second: float) -> None:
    assert 1 - erf(margin / 2) == pytest.approx(share, abs=5e-5)
    n = 2000
    rng = np.random.default_rng(0)
    clips = rng.normal(size=(n, 2, 2))
    level = decide(clips, margin * clips.std((0, 1))).level[:, 0, 1]
    error = np.sqrt(share * (1 - share) / n)
    assert (level == 0).mean() == pytest.approx(share, abs=3 * error)
    assert (level >= 0).mean() == pytest.approx(1 - (1 - share) ** 2, abs=3 * error)
    assert (level >= 0).mean() == pytest.approx(second, abs=0.02)


def test_larger_margins_hand_decisions_to_the_levels_below() -> None:
    clips = np.random.default_rng(0).normal(size=(100, 2))
    shares = []
    for margin in (0.0, 0.5, 1.0):
        level = decide(clips, np.full(2, margin)).level[np.triu_indices(100, 1)]
        shares.append(((level == 0).mean(), (level == 1).mean()))
    assert shares[0] == (1.0, 0.0)
    assert shares[0][0] > shares[1][0] > shares[2][0]
    assert shares[0][1] < shares[1][1] < shares[2][1]


def test_a_lower_level_that_says_the_opposite_is_counted() -> None:
    levels = np.array([[2.0, 0.0], [0.0, 3.0], [-2.0, -3.0]])
    opposed = decide(levels, UNIT).opposed
    assert opposed[0, 1]
    assert opposed[1, 0]
    assert not opposed[0, 2]


# --- automatic margins ----------------------------------------------------------------------------------------------


def test_margins_decide_the_share_asked_for_of_what_reaches_each_level() -> None:
    rng = np.random.default_rng(1)
    one = rng.normal(size=500)
    levels = np.stack([one, one + 0.3 * rng.normal(size=500), rng.exponential(size=500)], axis=1)  # not independent
    apart = differences(levels)
    margins = margins_for(apart, (0.6, 0.5, 1.0))
    for level, share in enumerate((0.6, 0.5, 1.0)):
        decided = apart[:, level] > margins[level]
        assert decided.mean() == pytest.approx(share, abs=0.01)
        apart = apart[~decided]
    assert margins[2] == 0.0


def test_a_share_of_all_leaves_the_lower_levels_without_work_and_without_a_fault() -> None:
    apart = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert margins_for(apart, (1.0, 0.5)).tolist() == [0.0, 2.0]


# --- rankings -------------------------------------------------------------------------------------------------------


def test_a_full_order_is_stated_in_full() -> None:
    winner = decide(np.array([[1.0], [4.0], [2.0], [3.0]]), np.array([0.1])).winner
    assert chain(winner) == [1, 3, 2, 0]


def test_who_is_too_close_to_one_of_a_row_is_left_out() -> None:
    # 0 and 1 too close, 1 and 2 too close, 0 above 2: nothing is known of 1
    assert chain(wins((0, 2), k=3)) == [0, 2]


def test_of_a_circle_two_remain() -> None:
    winner = wins((0, 1), (1, 2), (2, 0), k=3)
    assert circles(winner) == 1
    assert chain(winner) == [0, 1]


def test_a_circle_arises_from_margins_and_is_no_fault() -> None:
    levels = np.array([[0.0, 2.0], [0.4, 1.0], [0.8, 0.0]])
    winner = decide(levels, np.array([0.5, 0.5])).winner
    assert circles(winner) == 1
    assert winner[0, 1] == winner[1, 2] == winner[2, 0] == 1


def test_without_a_decision_there_is_no_ranking() -> None:
    assert chain(wins(k=4)) == []


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(0, 10_000))
def test_a_ranking_is_the_longest_in_which_each_beats_all_that_follow(k: int, seed: int) -> None:
    upper = np.triu(np.random.default_rng(seed).integers(-1, 2, size=(k, k)), 1)
    winner = upper - upper.T
    row = chain(winner)
    assert all(winner[i, j] == 1 for place, i in enumerate(row) for j in row[place + 1 :])
    longest = max(
        length
        for length in range(1, k + 1)
        for some in permutations(range(k), length)
        if all(winner[i, j] == 1 for place, i in enumerate(some) for j in some[place + 1 :])
    )
    assert len(row) == (longest if longest > 1 else 0)
