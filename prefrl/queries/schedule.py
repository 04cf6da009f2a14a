"""A budget of answers in, how many each round asks and at which step out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prefrl.settings import FeedbackSettings


def shares(total: int, rounds: int, schedule: str) -> tuple[int, ...]:
    """How many of `total` each round asks.

    constant: 1; hyperbolic: 1/(1+t); inverse_quadratic: 1/(1+t^2), for t = linspace(0, 1, rounds), normalised
    (Christiano et al. 2017 as in imitation's preference comparisons). Rounded by largest remainder to sum to `total`.
    """
    t = np.linspace(0.0, 1.0, rounds)
    weights = {"constant": np.ones(rounds), "hyperbolic": 1 / (1 + t), "inverse_quadratic": 1 / (1 + t**2)}[schedule]
    exact = total * weights / weights.sum()
    whole = np.floor(exact + 1e-9).astype(int)
    rest = np.argsort(-(exact - whole), kind="stable")[: total - whole.sum()]
    whole[rest] += 1
    return tuple(whole.tolist())


def rounds_of(feedback: FeedbackSettings, begin: int, end: int) -> Sequence[tuple[int, int]]:
    """(step, answers to ask) of each round, evenly spread over [begin, end): asking goes on to the end of the run."""
    sizes = shares(feedback.total, feedback.rounds, feedback.schedule)
    steps = begin + (end - begin) * np.arange(feedback.rounds) // feedback.rounds
    return [(int(step), size) for step, size in zip(steps, sizes, strict=True) if size]
