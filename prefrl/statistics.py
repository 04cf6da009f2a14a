"""Scores of seeds in, what may be said of them out: normalised return, IQM, bootstrap interval, rank correlation.

Pure functions of numbers, so that every table of the project is computed by the same few lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def normalised_return(value: float, random: float, ground_truth: float) -> float:
    """(x - R) / (G - R): 0 as good as random actions, 1 as good as the ground-truth arm; values above 1 are kept.

    NaN when the ground-truth arm is no better than random, because then it is no yardstick.
    """
    gain = ground_truth - random
    return (value - random) / gain if gain > 0 else float("nan")


def iqm(scores: ArrayLike) -> float:
    """Interquartile mean: the mean of what is left when the lowest and the highest quarter (rounded down) are cut.

    Agarwal et al. 2021, "Deep RL at the Edge of the Statistical Precipice"; equals their trimmed mean of 25%.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64), axis=None)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def bootstrap_interval(
    tasks: Sequence[ArrayLike],
    statistic: Callable[[Floats], float] = iqm,
    *,
    confidence: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of `statistic` over all scores; seeds are resampled with replacement within each task.

    `tasks` holds one array of scores per task, one score per seed: runs are resampled, never episodes, because the
    seeds of training are what varies. (NaN, NaN) unless some task has at least two seeds.
    """
    strata = [np.asarray(task, dtype=np.float64) for task in tasks]
    if max((len(stratum) for stratum in strata), default=0) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    resampled = np.concatenate([s[rng.integers(len(s), size=(draws, len(s)))] for s in strata], axis=1)
    values = np.array([statistic(row) for row in resampled])
    tail = 50 * (1 - confidence)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


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
