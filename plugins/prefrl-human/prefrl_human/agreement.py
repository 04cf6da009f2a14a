"""Values that people gave to the same things in, Krippendorff's alpha out: 1 full agreement, 0 what chance would give.

Krippendorff (2011, Computing Krippendorff's Alpha-Reliability): alpha = 1 - D_o / D_e, where D_o is the observed and D_e
the expected disagreement, each a mean of squared distances between values given by different people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prefrl.types import Answer, Binary, Choice, Grades, Tiers

Values = NDArray[np.float64]


def krippendorff(values: Values, distance: Literal["nominal", "interval"] = "nominal") -> float:
    """`values` (people, units), NaN where nobody answered; NaN if no two people answered one unit, or all said the same."""
    levels = np.unique(values[~np.isnan(values)])
    counts: NDArray[Any] = (
        np.stack([(values == level).sum(0) for level in levels], 1) if len(levels) else np.zeros((0, 0))
    )
    counts = counts[counts.sum(1) > 1].astype(np.float64)  # (units, levels); alone nobody disagrees
    if not len(counts):
        return float("nan")
    apart = levels[:, None] - levels[None, :]
    squares = (apart != 0).astype(np.float64) if distance == "nominal" else apart**2
    of_unit = counts.sum(1)
    total = counts.sum(0)
    observed = (np.einsum("uc,ck,uk->u", counts, squares, counts) / (of_unit - 1)).sum() / total.sum()
    expected = (total @ squares @ total) / (total.sum() * (total.sum() - 1))
    return float(1 - observed / expected) if expected > 0 else float("nan")


def relation(answer: Answer, i: int, j: int) -> int | None:
    """1 if the answer puts item i before j, -1 if after, 0 if it ties them, None if it says nothing about them."""
    match answer:
        case Tiers(tiers):
            rank = {item: rank for rank, tier in enumerate(tiers) for item in tier}
            return _sign(rank[j] - rank[i]) if i in rank and j in rank else None
        case Choice(best):
            return _sign((best == i) - (best == j)) if best in (i, j) else None
        case Grades(values) | Binary(values):
            return _sign(values[i] - values[j])
    return None


def _sign(difference: float) -> int:
    return int(difference > 0) - int(difference < 0)


def among(answers: Iterable[tuple[str, str, Mapping[tuple[str, str], int]]]) -> float:
    """Alpha of (person, question, pair of items -> relation): every pair in a question is a unit, a tie stands between.

    Each pair counts in both directions, so that alpha does not depend on which item a question names first.
    """
    given: dict[tuple[str, tuple[str, str]], dict[str, int]] = {}
    people: dict[str, int] = {}
    for person, question, pairs in answers:
        people.setdefault(person, len(people))
        for (one, other), value in pairs.items():
            given.setdefault((question, (one, other)), {})[person] = value
            given.setdefault((question, (other, one)), {})[person] = -value
    values = np.full((len(people), len(given)), np.nan)
    for unit, said in enumerate(given.values()):
        for person, value in said.items():
            values[people[person], unit] = value
    return krippendorff(values, "interval")
