"""Built-in selectors: proposals and the members' returns in, the rows worth asking out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prefrl.options import NoOptions
from prefrl.specs import BuildContext, Candidates
from prefrl.types import Array


class Uniform:
    """Takes what was drawn."""

    informed = False

    def select(self, candidates: Candidates, n: int, rng: np.random.Generator) -> Sequence[tuple[int, str]]:
        return [(row, "uniform") for row in range(min(n, len(candidates.items)))]


class Disagreement:
    """Keeps the proposals on which the members disagree most: std over members of P(i beats j), averaged over the pairs.

    For pairs this is B-Pref's disagreement sampler (Christiano et al. 2017, 2.2.4).
    """

    informed = True

    def select(self, candidates: Candidates, n: int, rng: np.random.Generator) -> Sequence[tuple[int, str]]:
        if candidates.returns is None:
            return Uniform().select(candidates, n, rng)
        spread = disagreement(candidates.returns, candidates.items)
        best = np.argsort(-spread, kind="stable")[:n]
        return [(int(row), f"disagreement {spread[row]:.3f}") for row in best]


def disagreement(returns: Array, items: Array) -> Array:
    """(Q,) spread of the members' pairwise probabilities; `returns` (E, N), `items` (Q, K)."""
    scores = returns[:, items]  # (E, Q, K)
    first, second = np.triu_indices(items.shape[1], 1)
    difference = scores[:, :, first] - scores[:, :, second]
    probability = 0.5 * (1 + np.tanh(difference / 2))
    return np.asarray(probability.std(0).mean(-1))


def uniform(options: NoOptions, context: BuildContext) -> Uniform:
    """Builder."""
    return Uniform()


def disagree(options: NoOptions, context: BuildContext) -> Disagreement:
    """Builder."""
    return Disagreement()
