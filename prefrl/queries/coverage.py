"""Selectors that look at what the clips show: proposals and what was asked before in, the rows worth asking out.

Two queries are as far apart as their observations, Euclidean over all items and steps, raw as B-Pref has it. A clip
shorter than the longest goes on with its last observation. Observations whose units differ much let the largest decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from prefrl.options import NoOptions
from prefrl.queries.options import SimilarityOptions
from prefrl.queries.selectors import disagreement, entropy
from prefrl.specs import BuildContext, Candidates
from prefrl.types import Array

Measure = Callable[[Array, Array], Array]  # of (E, P) returns and (Q, K) items, (Q,): how much is to be learned


class KCenter:
    """Keeps proposals that lie far from all that was asked before and from one another (greedy k-center; B-Pref).

    With a `measure` only the half of the proposals that it ranks highest is considered: B-Pref's two mixes.
    """

    informed = True

    def __init__(self, measure: Measure | None = None) -> None:
        self._measure = measure

    def select(self, candidates: Candidates, n: int, rng: np.random.Generator) -> Sequence[tuple[int, str]]:
        rows = np.arange(len(candidates.items))
        if self._measure is not None and candidates.returns is not None:
            worth = self._measure(candidates.returns, candidates.items)
            rows = np.argsort(-worth, kind="stable")[: max(n, len(rows) // 2)]
        distances = Distances(candidates)
        nearest = distances.to_labelled(rows)
        among = distances.between(rows)
        kept = []
        for _ in range(min(n, len(rows))):
            pick = int(nearest.argmax())
            kept.append((int(rows[pick]), f"k-center {nearest[pick]:.3g}" if np.isfinite(nearest[pick]) else "first"))
            nearest = np.minimum(nearest, among[pick])
            nearest[pick] = -np.inf
        return kept


class Similarity:
    """Draws some questions from where answers are dense, others from where there are none.

    The mixed-distribution queries of Proximal Policy Exploration (Zhu et al. 2025), whose novelty M in [0, 1] comes from a
    trained Morse network; here M = 1 - exp(-d^2 / 2 s^2) of the distance d to the nearest question asked before, s its
    median. Near questions are drawn with probability proportional to 1 - M, the others to M.
    """

    informed = True

    def __init__(self, options: SimilarityOptions, context: BuildContext) -> None:
        self._near = options.near

    def select(self, candidates: Candidates, n: int, rng: np.random.Generator) -> Sequence[tuple[int, str]]:
        rows = np.arange(len(candidates.items))
        nearest = Distances(candidates).to_labelled(rows)
        if not len(candidates.labelled):
            return [(int(row), "nothing asked before") for row in rows[:n]]
        novelty = 1 - np.exp(-((nearest / max(float(np.median(nearest)), np.finfo(float).tiny)) ** 2) / 2)
        near = drawn(rows, 1 - novelty, round(self._near * n), rng)
        far = drawn(np.setdiff1d(rows, near), novelty, n - len(near), rng)
        return [(row, f"{word} {novelty[row]:.2f}") for word, kept in (("near", near), ("far", far)) for row in kept]


def drawn(rows: Array, weights: Array, n: int, rng: np.random.Generator) -> list[int]:
    """At most `n` different `rows`, each draw proportional to `weights[row]`; all of them where the weights are nothing."""
    weight = weights[rows]
    keys = np.log(np.maximum(weight, np.finfo(float).tiny)) + rng.gumbel(size=len(rows))  # Gumbel top-n: no replacement
    return [int(row) for row in rows[np.argsort(-keys, kind="stable")[:n]]]


class Distances:
    """Between queries. A query's squared distance is the sum of its items', so only clips are compared."""

    def __init__(self, candidates: Candidates) -> None:
        self._items, self._labelled = candidates.items, candidates.labelled
        proposed = int(self._items.max()) + 1
        shown = observed(candidates)
        norms = (shown**2).sum(1)
        products = shown[:proposed] @ shown.T
        self._squared = np.maximum(norms[:proposed, None] + norms[None] - 2 * products, 0.0)

    def between(self, rows: Array) -> Array:
        """(R, R) among the proposals `rows`."""
        return self._of(self._items[rows], self._items[rows])

    def to_labelled(self, rows: Array) -> Array:
        """(R,) from each of the proposals `rows` to the nearest query asked before; infinite if there is none."""
        if not len(self._labelled):
            return np.full(len(rows), np.inf)
        return np.asarray(self._of(self._items[rows], self._labelled).min(1))

    def _of(self, first: Array, second: Array) -> Array:
        return np.asarray(np.sqrt(sum(self._squared[np.ix_(a, b)] for a, b in zip(first.T, second.T, strict=True))))


def observed(candidates: Candidates) -> Array:
    """(N, H * obs) observations of every clip before each of its steps, relative to their mean."""
    shown = [np.asarray(segment.obs[: len(segment)], dtype=np.float64) for segment in candidates.segments]
    longest = max(map(len, shown))
    rows = np.stack([obs[np.minimum(np.arange(longest), len(obs) - 1)].ravel() for obs in shown])
    return np.asarray(rows - rows.mean(0))  # nearer to zero, squares lose fewer digits


def k_center(options: NoOptions, context: BuildContext) -> KCenter:
    """Builder."""
    return KCenter()


def disagreement_k_center(options: NoOptions, context: BuildContext) -> KCenter:
    """Builder."""
    return KCenter(disagreement)


def entropy_k_center(options: NoOptions, context: BuildContext) -> KCenter:
    """Builder."""
    return KCenter(entropy)
