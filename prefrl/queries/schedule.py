"""A budget of answers in, how many each round asks and at which step out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from prefrl.settings import FeedbackSettings
from prefrl.types import Array

WEIGHTS: Mapping[str, Callable[[int], Array]] = {
    "constant": np.ones,
    # Christiano et al. 2017 as in imitation's preference comparisons: t runs from 0 to 1
    "hyperbolic": lambda rounds: 1 / (1 + np.linspace(0.0, 1.0, rounds)),
    "inverse_quadratic": lambda rounds: 1 / (1 + np.linspace(0.0, 1.0, rounds) ** 2),
    # B-Pref's (Lee et al. 2021) reward_schedule 1, (T - t) / T, and 2, T / (T - t + 1), which asks more and more; T rounds
    "decaying": lambda rounds: (rounds - np.arange(rounds)) / rounds,
    "growing": lambda rounds: rounds / (rounds - np.arange(rounds)),
}


def shares(total: int, rounds: int, schedule: str, initial: float = 0.0) -> tuple[int, ...]:
    """How many of `total` each round asks, in proportion to the weights of `schedule`.

    The first of several rounds takes the share `initial`, where that is given, and the schedule spreads the rest over the
    others. Rounded by largest remainder to sum to `total`.
    """
    if first := int(total * initial) if rounds > 1 else 0:
        return (first, *shares(total - first, rounds - 1, schedule))
    weights = WEIGHTS[schedule](rounds)
    exact = total * weights / weights.sum()
    whole = np.floor(exact + 1e-9).astype(int)
    rest = np.argsort(-(exact - whole), kind="stable")[: total - whole.sum()]
    whole[rest] += 1
    return tuple(whole.tolist())


def rounds_of(feedback: FeedbackSettings, begin: int, end: int) -> Sequence[tuple[int, int]]:
    """(step, answers to ask) of each round, evenly spread over [begin, end): asking goes on to the end of the run.

    Fewer answers than rounds make as many rounds as there are answers.
    """
    rounds = min(feedback.rounds, feedback.total)
    if not rounds:
        return []
    sizes = shares(feedback.total, rounds, feedback.schedule, feedback.initial)
    steps = begin + (end - begin) * np.arange(rounds) // rounds
    return [(int(step), size) for step, size in zip(steps, sizes, strict=True) if size]
