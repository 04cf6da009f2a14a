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

    A single item is compared with a return of 0: P(good), as the losses of binary answers have it.
    For pairs this is B-Pref's disagreement sampler (Christiano et al. 2017, 2.2.4).
    """

    informed = True

    def select(self, candidates: Candidates, n: int, rng: np.random.Generator) -> Sequence[tuple[int, str]]:
        if candidates.returns is None:
            return Uniform().select(candidates, n, rng)
        spread = disagreement(candidates.returns, candidates.items)
        best = np.argsort(-spread, kind="stable")[:n]
        return [(int(row), f"disagreement {spread[row]:.3f}") for row in best]


class Entropy:
    """Keeps the proposals whose outcome the members find hardest to tell: their mean entropy of P(i beats j), over the pairs.

    B-Pref's entropy sampler (Lee et al. 2021). Unlike disagreement it also asks where all members agree on a tie.
    """

    informed = True

    def select(self, candidates: Candidates, n: int, rng: np.random.Generator) -> Sequence[tuple[int, str]]:
        if candidates.returns is None:
            return Uniform().select(candidates, n, rng)
        doubt = entropy(candidates.returns, candidates.items)
        best = np.argsort(-doubt, kind="stable")[:n]
        return [(int(row), f"entropy {doubt[row]:.3f}") for row in best]


def disagreement(returns: Array, items: Array) -> Array:
    """(Q,) spread of the members' pairwise probabilities; `returns` (E, P), `items` (Q, K)."""
    probability = 0.5 * (1 + np.tanh(differences(returns, items) / 2))
    return np.asarray(probability.std(0).mean(-1))


def entropy(returns: Array, items: Array) -> Array:
    """(Q,) mean entropy in nats, at most ln 2; arguments as for `disagreement`."""
    difference = differences(returns, items)
    probability = 0.5 * (1 + np.tanh(difference / 2))
    return np.asarray((np.logaddexp(0, difference) - difference * probability).mean((0, -1)))


def differences(returns: Array, items: Array) -> Array:
    """(E, Q, pairs) by how much each member finds the earlier item of each pair better."""
    scores = returns[:, items]  # (E, Q, K)
    if items.shape[1] == 1:
        scores = np.concatenate([scores, np.zeros_like(scores)], axis=2)
    first, second = np.triu_indices(scores.shape[2], 1)
    return np.asarray(scores[:, :, first] - scores[:, :, second])


def uniform(options: NoOptions, context: BuildContext) -> Uniform:
    """Builder."""
    return Uniform()


def disagree(options: NoOptions, context: BuildContext) -> Disagreement:
    """Builder."""
    return Disagreement()


def most_uncertain(options: NoOptions, context: BuildContext) -> Entropy:
    """Builder."""
    return Entropy()
