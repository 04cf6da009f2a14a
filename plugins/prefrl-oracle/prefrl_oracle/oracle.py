"""Queries whose segments carry true reward come in; answers by their returns go out, with Gumbel noise if `beta` is set.

Sorting beta * return + Gumbel noise samples the Plackett-Luce model (Yellott 1977): of two items, item 0 wins with
probability sigmoid(beta * (R0 - R1)); of K, the best is drawn from softmax(beta * R), then the best of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from prefrl.errors import PluginError, choices
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Answer, Candidate, Choice, Item, Preference, Query, Segment, Tiers
from prefrl_oracle.options import OracleOptions

Floats = NDArray[np.float64]


class Oracle:
    """An immediate source. The same question under the same seed gets the same answer, in whatever batch or order."""

    def __init__(self, options: OracleOptions, context: BuildContext) -> None:
        self.beta = options.beta
        self.context = context

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:  # noqa: ARG002 (protocol)
        """Answer what is asked about reward or a cost; questions about anything else are left undecided."""
        for query in queries:
            if query.question == "reward" or query.question.startswith("cost:"):
                yield Preference.of(query, self._answer(query), source=self.context.name)

    def _answer(self, query: Query) -> Answer:
        noise = self.context.rng("noise", query.id)  # of the question, not of a stream: order must not matter
        returns = np.array([value(item, query.question) for item in query.items])
        if self.beta is not None:
            returns = perturbed(returns, self.beta, noise)
        if query.kind == "choice":
            return Choice(int(noise.choice(np.flatnonzero(returns == returns.max()))))
        if query.kind in ("pair", "ranking"):
            return Tiers.of_ranks(ranks(returns))
        raise PluginError(f"The oracle cannot answer a {query.kind} question. It answers pair, ranking and choice.")


def perturbed(returns: Floats, beta: float, rng: np.random.Generator) -> Floats:
    """Returns (..., K) as a Boltzmann-rational judge perceives them: what it sorts by."""
    return beta * returns + rng.gumbel(size=returns.shape)


def ranks(values: Floats) -> list[int]:
    """0 for the highest of `values` (K,); exactly equal values share a rank."""
    return [int(rank) for rank in np.unique(-values, return_inverse=True)[1]]


def value(item: Item, question: str) -> float:
    """Undiscounted sum over the item's steps of the true reward, or of minus the cost that `question` names."""
    segment = item.clip if isinstance(item, Candidate) else item
    if not isinstance(segment, Segment):
        raise PluginError(
            f"The oracle judges robot clips by their return; item {item.id[:12]} is a {item.kind} without one."
        )
    if question == "reward":
        if segment.true_reward is None:
            raise PluginError(f"The oracle needs the true reward, and segment {segment.id[:12]} was recorded without.")
        return float(np.sum(segment.true_reward, dtype=np.float64))
    name = question.removeprefix("cost:")
    if name not in segment.cost:
        raise PluginError(f"The oracle is asked about the cost '{name}'. {choices(name, segment.cost)}")
    return -float(np.sum(segment.cost[name], dtype=np.float64))
