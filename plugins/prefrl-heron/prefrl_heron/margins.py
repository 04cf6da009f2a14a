"""Values of recorded clips in, how far apart two clips must be on each level out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prefrl_heron.options import DEFAULT_MARGIN, HeronOptions
from prefrl_heron.ranking import Floats, Ranking, spread_of

PARTNERS = 20  # each recorded clip is compared with: more clips say more than more pairs of the same clips


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What recorded clips of one length make of the options."""

    spread: Floats  # (F,) standard deviation of each factor's aggregate, 0 if constant
    margins: Floats  # (L,) in level values, which are sums of factors over their spread
    deviations: Floats  # (L,) the margins in standard deviations of the level's own values


def measure(values: Floats, ranking: Ranking, options: HeronOptions, where: str) -> Yardstick:
    """From the (N, F) signed aggregates of recorded clips, whose order must be random."""
    spread = spread_of(values, ranking.names, where, "recorded clips")
    levels = ranking.summed(values, spread)
    own = levels.std(axis=0)
    if options.share is None:
        margin = DEFAULT_MARGIN if options.margin is None else options.margin
        margins = np.array(options.per_level(margin)) * own
    else:
        margins = margins_for(differences(levels), options.per_level(options.share))
    return Yardstick(spread, margins, np.divide(margins, own, out=np.zeros_like(margins), where=own > 0))


def differences(levels: Floats) -> Floats:
    """(P, L) absolute differences of pairs of rows (N, L)."""
    shifts = range(1, min(PARTNERS, len(levels) - 1) + 1)
    apart = np.concatenate([levels - np.roll(levels, shift, axis=0) for shift in shifts])
    return np.asarray(np.abs(apart), np.float64)


def margins_for(apart: Floats, shares: tuple[float, ...]) -> Floats:
    """(L,) margins by which each level decides its share of those of the pairs (P, L) that reach it.

    The margin is the (1 - share) quantile of the level's differences, of the pairs the levels above leave undecided: close
    in what matters most, they are often close in what goes with it, and all pairs together would promise too much.
    """
    margins = np.zeros(apart.shape[1])
    for level, share in enumerate(shares):
        # an observed value, not one between two: with "greater than the margin" it decides the share and no more
        margins[level] = np.quantile(apart[:, level], 1 - share, method="lower") if share < 1 else 0.0
        remaining = apart[apart[:, level] <= margins[level]]
        apart = remaining if len(remaining) else apart
    return margins
