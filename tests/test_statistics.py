from __future__ import annotations

import math

import numpy as np
import pytest

from prefrl.statistics import (
    bootstrap,
    bootstrap_interval,
    improvement,
    improvement_interval,
    iqm,
    normalised_return,
    optimality_gap,
    percentiles,
    performance_profile,
    probability_of_improvement,
    ranks,
    resamples,
    spearman,
)


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
    assert bootstrap_interval([[0.0, 1.0]], lambda s: s.mean(-1)) == (0.0, 1.0)
    assert bootstrap_interval([[0.0, 1.0]], lambda s: s.mean(-1), confidence=0.4) == (0.5, 0.5)


def test_bootstrap_interval_matches_the_normal_one_for_a_mean() -> None:
    scores = np.random.default_rng(0).normal(3.0, 2.0, 400)
    low, high = bootstrap_interval([scores], lambda s: s.mean(-1), draws=4000)
    half = 1.96 * scores.std() / math.sqrt(len(scores))
    assert low == pytest.approx(scores.mean() - half, abs=0.03)
    assert high == pytest.approx(scores.mean() + half, abs=0.03)


def test_bootstrap_resamples_within_tasks() -> None:
    # Scores differ between tasks and not within: whatever is drawn, the mean stays.
    assert bootstrap_interval([[1.0] * 4, [9.0] * 4], lambda s: s.mean(-1)) == (5.0, 5.0)


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


def test_bootstrap_of_given_draws_by_hand() -> None:
    # Two tasks; draw 0 takes (1, 1) and (30), draw 1 takes (1, 3) and (30).
    indices = [np.array([[0, 0], [0, 1]]), np.array([[0], [0]])]
    assert bootstrap([[1.0, 3.0], [30.0]], indices, lambda s: s.mean(-1)).tolist() == [32 / 3, 34 / 3]
    assert [index.shape for index in resamples([2, 5], draws=7)] == [(7, 2), (7, 5)]


def test_optimality_gap_counts_what_is_above_as_reached() -> None:
    assert optimality_gap(np.array([0.5, 3.0])) == pytest.approx(0.25)


def test_performance_profile_is_the_share_strictly_above() -> None:
    assert performance_profile(np.array([0.0, 0.5, 1.0, 1.0]), [-1.0, 0.0, 0.5, 1.0]).tolist() == [1.0, 0.75, 0.5, 0.0]


def test_probability_of_improvement_by_hand() -> None:
    assert improvement(np.array([1.0, 2.0]), np.array([1.0, 0.0])) == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    # 1 on the first task, 0 on the second
    assert probability_of_improvement([[2.0], [0.0, 0.0]], [[1.0], [1.0]]) == 0.5
    assert improvement_interval([[2.0, 3.0]], [[1.0, 0.0]]) == (1.0, 1.0)
    assert all(map(math.isnan, improvement_interval([[2.0]], [[1.0]])))


# --- the field's own library -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scores() -> np.ndarray:
    """(seeds, tasks), as rliable has them."""
    return np.random.default_rng(4).normal(0.8, 0.4, (7, 3))


def test_measures_are_those_of_rliable(scores: np.ndarray) -> None:
    metrics = pytest.importorskip("rliable.metrics")
    assert iqm(scores) == pytest.approx(metrics.aggregate_iqm(scores), abs=1e-12)
    assert optimality_gap(scores.ravel()) == pytest.approx(metrics.aggregate_optimality_gap(scores), abs=1e-12)
    others = scores[:5] - 0.1
    expected = metrics.probability_of_improvement(scores, others)
    assert probability_of_improvement(scores.T, others.T) == pytest.approx(expected, abs=1e-12)


def test_profiles_are_those_of_rliable(scores: np.ndarray) -> None:
    library = pytest.importorskip("rliable.library")
    thresholds = np.linspace(0, 1.5, 16)
    expected, _ = library.create_performance_profile({"ours": scores}, thresholds, reps=10)
    assert np.allclose(performance_profile(scores.ravel(), thresholds), expected["ours"], atol=1e-12)


@pytest.mark.filterwarnings("ignore:random_state is deprecated:FutureWarning")  # rliable knows no other argument
def test_intervals_are_those_of_rliable_on_the_same_draws_and_close_on_own_ones(scores: np.ndarray) -> None:
    library, metrics = pytest.importorskip("rliable.library"), pytest.importorskip("rliable.metrics")
    theirs = library.StratifiedBootstrap(scores, random_state=np.random.RandomState(0))
    drawn = []

    def keeping(resampled: np.ndarray) -> float:
        drawn.append(np.array(resampled))
        return float(metrics.aggregate_iqm(resampled))

    low, high = theirs.conf_int(keeping, reps=300, size=0.95, method="percentile").ravel()
    # what was drawn names its seeds: all scores are different
    drawn = [one for one in drawn if one.shape == scores.shape][-300:]
    indices = [
        np.array([[int(np.flatnonzero(scores[:, t] == x)[0]) for x in one[:, t]] for one in drawn]) for t in range(3)
    ]
    assert percentiles(bootstrap(scores.T, indices)) == pytest.approx((low, high), abs=1e-9)

    full = library.StratifiedBootstrap(scores, random_state=np.random.RandomState(1))
    expected = full.conf_int(metrics.aggregate_iqm, reps=10_000, size=0.95, method="percentile").ravel()
    assert bootstrap_interval(scores.T, draws=20_000) == pytest.approx(tuple(expected), abs=5e-3)
