"""Returns of random clips and an error rate come in; the rationality that makes so many errors goes out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HALVINGS = 50  # of an interval of beta; far below what matters
PARTNERS = 20  # each clip is compared with: more clips say more than more pairs of the same clips


def error_rate(differences: Floats, beta: float) -> float:
    """Expected share of wrong answers about pairs whose returns differ by `differences` > 0: mean sigmoid(-beta * d)."""
    return float(np.mean(1 / (1 + np.exp(np.minimum(beta * differences, 700.0)))))


def rationality(returns: Floats, error: float) -> float | None:
    """The beta at which pairs of `returns` (N,) are answered wrongly with probability `error`, 0 < error < 0.5.

    Each is compared with the `PARTNERS` after it, so their order must be random. Exact ties do not count, because about
    them nothing can be wrong; None if there is nothing else.
    """
    shifts = range(1, min(PARTNERS, len(returns) - 1) + 1)
    differences = np.abs(np.concatenate([returns - np.roll(returns, shift) for shift in shifts]))
    differences = differences[differences > 0]
    if not len(differences):
        return None
    scale = float(np.median(differences))
    low, high = 0.0, 1.0
    while error_rate(differences, high / scale) > error:
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if error_rate(differences, middle / scale) > error else (low, middle)
    return high / scale
