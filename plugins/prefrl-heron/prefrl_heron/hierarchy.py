"""Level values of K clips and margins in, who beats whom and on which level out; from that, the ranking that may be stated.

Margins make the relation intransitive, which is meant: A and B too close, B and C too close, A above C; or even a circle,
where A beats B and B beats C on the second level and C beats A on the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prefrl_heron.ranking import Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decisions:
    """Of every two of K clips, of one question or many (leading axes).

    `winner[i, j]` is 1 if i beats j, -1 if j beats i, 0 if no level decides.
    """

    winner: Ints  # (K, K) antisymmetric
    level: Ints  # (K, K) which level decided, -1 for none
    opposed: NDArray[np.bool_]  # (K, K) a level below says the opposite


def decide(levels: Floats, margins: Floats) -> Decisions:
    """Go down the levels of (..., K, L) values until two clips differ by more than a level's margin (HERON, section 3)."""
    apart = levels[..., :, None, :] - levels[..., None, :, :]
    says = np.where(np.abs(apart) > margins, np.sign(apart), 0.0).astype(np.int64)
    decided = (says != 0).any(axis=-1)
    first = (says != 0).argmax(axis=-1)
    winner = np.take_along_axis(says, first[..., None], axis=-1)[..., 0]
    opposed = (says == -winner[..., None]).any(axis=-1) & decided
    return Decisions(winner, np.where(decided, first, -1), opposed)


def chain(winner: Ints) -> list[int]:
    """The longest row of clips, best first, in which each beats all that follow; fewer than two if nothing is decided.

    Only such a row can be stated as a ranking without inventing an order, or a tie, that no level decided: what is close to
    a member or in a circle with two is left out. Of equally long ones the one with the most wins comes first.
    """
    order = sorted(range(len(winner)), key=lambda i: (-int((winner[i] > 0).sum()), i))
    best: list[int] = []

    def extend(row: list[int], candidates: list[int]) -> None:
        nonlocal best
        if len(row) > len(best):
            best = row
        for i in candidates:
            beaten = [j for j in candidates if winner[i, j] > 0]
            if len(row) + 1 + len(beaten) > len(best):
                extend([*row, i], beaten)

    extend([], order)
    return best if len(best) > 1 else []


def circles(winner: Ints) -> int:
    """Triples of clips that beat one another in a circle."""
    beats = (winner > 0).astype(np.int64)
    return int(np.trace(beats @ beats @ beats)) // 3
