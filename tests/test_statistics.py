from __future__ import annotations

import math

import numpy as np
import pytest

from prefrl.statistics import bootstrap_interval, iqm, normalised_return, ranks, spearman


def test_normalised_return_is_zero_at_random_one_at_ground_truth_and_keeps_more() -> None:
    assert normalised_return(-280, -280, 3500) == 0.0
    assert normalised_return(3500, -280, 3500) == 1.0
    assert normalised_return(5390, -280, 3500) == pytest.approx(1.5)


@pytest.mark.parametrize("ground_truth", [-280.0, -300.0, math.nan])
def test_normalised_return_needs_a_ground_truth_that_beats_random(ground_truth: float) -> None:
    assert math.isnan(normalised_return(100, -280, ground_truth))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([7.0], 7.0),
        ([1.0, 2.0, 6.0], 3.0),  # a quarter of three rounds down to none
        ([100.0, 1.0, 2.0, 4.0, -50.0], (1 + 2 + 4) / 3),  # one cut at each end
        ([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], (3 + 4 + 5 + 6) / 4),
    ],
)
def test_iqm_by_hand(scores: list[float], expected: float) -> None:
    assert iqm(scores) == pytest.approx(expected)


def test_bootstrap_interval_by_hand_for_two_seeds() -> None:
    # Means of two draws from {0, 1}: 0, 1/2, 1 with probability 1/4, 1/2, 1/4.
    assert bootstrap_interval([[0.0, 1.0]], lambda s: float(s.mean())) == (0.0, 1.0)
    assert bootstrap_interval([[0.0, 1.0]], lambda s: float(s.mean()), confidence=0.4) == (0.5, 0.5)


def test_bootstrap_interval_matches_the_normal_one_for_a_mean() -> None:
    scores = np.random.default_rng(0).normal(3.0, 2.0, 400)
    low, high = bootstrap_interval([scores], lambda s: float(s.mean()), draws=4000)
    half = 1.96 * scores.std() / math.sqrt(len(scores))
    assert low == pytest.approx(scores.mean() - half, abs=0.03)
    assert high == pytest.approx(scores.mean() + half, abs=0.03)


def test_bootstrap_resamples_within_tasks() -> None:
    # Scores differ between tasks and not within: whatever is drawn, the mean stays.
    assert bootstrap_interval([[1.0] * 4, [9.0] * 4], lambda s: float(s.mean())) == (5.0, 5.0)


def test_bootstrap_is_repeatable_and_refuses_to_judge_one_seed() -> None:
    assert bootstrap_interval([[1.0, 2.0, 4.0]], draws=200) == bootstrap_interval([[1.0, 2.0, 4.0]], draws=200)
    assert all(map(math.isnan, bootstrap_interval([[1.0]])))
    assert all(map(math.isnan, bootstrap_interval([])))


def test_ranks_share_ties() -> None:
    assert ranks([30.0, 10.0, 20.0, 20.0]).tolist() == [4.0, 1.0, 2.5, 2.5]


def test_spearman_by_hand() -> None:
    assert spearman([1, 2, 3], [10, 100, 1000]) == pytest.approx(1.0)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    # 1 - 6 * sum d^2 / (n (n^2 - 1)) with d = (0, 1, -1, 0)
    assert spearman([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    # ties: Pearson of the ranks (1, 2.5, 2.5, 4) and (1, 2, 3, 4)
    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0]), ([1.0, 1.0], [1.0, 2.0]), ([], [])])
def test_spearman_of_nothing_to_rank_is_nan(a: list[float], b: list[float]) -> None:
    assert math.isnan(spearman(a, b))
