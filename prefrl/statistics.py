"""Scores of seeds in, what may be said of them out: normalised return, IQM, intervals, profiles, rank correlation.

Pure functions of numbers, so that every table of the project is computed by the same few lines. Scores come as one array per
task, one score per seed of training: runs are resampled, never episodes, because the seeds of training are what varies.
Source of the aggregate measures: Agarwal et al. 2021, "Deep RL at the Edge of the Statistical Precipice" (arXiv 2108.13264).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = Sequence[NDArray[np.int64]]  # for each task (draws, n): which of its n scores a draw holds
Statistic = Callable[[Floats], Floats]  # of (..., n) scores over the last axis: (...)
DRAWS = 10_000


def normalised_return(value: float, random: float, ground_truth: float) -> float:
    """(x - R) / (G - R): 0 as good as random actions, 1 as good as the ground-truth arm; values above 1 are kept.

    NaN when the ground-truth arm is no better than random, because then it is no yardstick.
    """
    gain = ground_truth - random
    return (value - random) / gain if gain > 0 else float("nan")


# --- measures of many scores -----------------------------------------------------------------------------------------


def interquartile_mean(scores: Floats) -> Floats:
    """Over the last axis: the mean of what is left when the lowest and the highest quarter (rounded down) are cut.

    The trimmed mean of 25% that Agarwal et al. call IQM.
    """
    ordered = np.sort(scores, axis=-1)
    n = ordered.shape[-1]
    cut = n // 4
    return np.asarray(ordered[..., cut : n - cut].mean(axis=-1))


def iqm(scores: ArrayLike) -> float:
    """`interquartile_mean` of all scores together."""
    return float(interquartile_mean(np.asarray(scores, dtype=np.float64).ravel()))


def optimality_gap(scores: Floats, target: float = 1.0) -> Floats:
    """Over the last axis: by how much scores fall short of `target` on the mean; what is above counts as reached."""
    return np.asarray(target - np.minimum(scores, target).mean(axis=-1))


def performance_profile(scores: Floats, thresholds: ArrayLike) -> Floats:
    """(..., T) shares of scores (..., n) that are above each of T thresholds."""
    above = scores[..., None, :] > np.asarray(thresholds, dtype=np.float64)[:, None]
    return np.asarray(above.mean(axis=-1))


def improvement(ours: Floats, theirs: Floats) -> Floats:
    """(...) chance that one of `ours` (..., n) is above one of `theirs` (..., m), ties counting half, on one task."""
    a, b = ours[..., :, None], theirs[..., None, :]
    return np.asarray(((a > b) + 0.5 * (a == b)).mean(axis=(-2, -1)))


def probability_of_improvement(ours: Sequence[ArrayLike], theirs: Sequence[ArrayLike]) -> float:
    """The mean over tasks of `improvement`."""
    each = [improvement(_floats(x), _floats(y)) for x, y in zip(ours, theirs, strict=True)]
    return float(np.mean(each))


# --- stratified bootstrap --------------------------------------------------------------------------------------------


def resamples(sizes: Sequence[int], draws: int = DRAWS, seed: int = 0) -> Indices:
    """For each task of `sizes` seeds, `draws` times as many seeds with replacement."""
    rng = np.random.default_rng(seed)
    return [rng.integers(size, size=(draws, size)) for size in sizes]


def bootstrap(tasks: Sequence[ArrayLike], indices: Indices, statistic: Statistic = interquartile_mean) -> Floats:
    """(draws,) values of `statistic` over the scores of all tasks, resampled within each task."""
    drawn = [_floats(task)[index] for task, index in zip(tasks, indices, strict=True)]
    return statistic(np.concatenate(drawn, axis=1))


def percentiles(values: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Both ends of the middle `confidence` of `values`."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def bootstrap_interval(
    tasks: Sequence[ArrayLike],
    statistic: Statistic = interquartile_mean,
    *,
    confidence: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of `statistic` over all scores; (NaN, NaN) unless some task has at least two seeds."""
    sizes = [len(_floats(task)) for task in tasks]
    if max(sizes, default=0) < 2:
        return float("nan"), float("nan")
    return percentiles(bootstrap(tasks, resamples(sizes, draws, seed), statistic), confidence)


def improvement_interval(
    ours: Sequence[ArrayLike], theirs: Sequence[ArrayLike], *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """95% percentile interval of `probability_of_improvement`; both sides are resampled, each by itself."""
    sizes = [[len(_floats(task)) for task in side] for side in (ours, theirs)]
    if max([*sizes[0], *sizes[1]], default=0) < 2:
        return float("nan"), float("nan")
    left, right = resamples(sizes[0], draws, seed), resamples(sizes[1], draws, seed + 1)
    each = [improvement(_floats(x)[i], _floats(y)[j]) for x, i, y, j in zip(ours, left, theirs, right, strict=True)]
    return percentiles(np.mean(each, axis=0))


def _floats(scores: ArrayLike) -> Floats:
    return np.asarray(scores, dtype=np.float64)


# --- ranks -----------------------------------------------------------------------------------------------------------


def ranks(values: ArrayLike) -> Floats:
    """Ranks from 1, ties share their mean rank."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    _, inverse, counts = np.unique(flat, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean_rank: Floats = ends - (counts - 1) / 2
    return mean_rank[inverse]


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation of two equally long samples; NaN for fewer than two or constant ones."""
    x, y = ranks(a), ranks(b)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])
