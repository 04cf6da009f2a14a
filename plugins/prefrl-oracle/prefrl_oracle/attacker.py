"""Queries whose segments carry true rewards come in; answers by return go out, some of them turned round to do harm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from prefrl.errors import ConfigError, PluginError, choices
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Item, Preference, Query, Tiers
from prefrl_oracle.options import AttackerOptions
from prefrl_oracle.oracle import clip_of, rewards
from prefrl_oracle.teacher import Floats, ranks


class Attacker:
    """An immediate source that poisons a data set.

    At random each answer is turned round with probability `rate`. Aimed, it is the share `rate` of what is asked together,
    so that answers then depend on that; a ranking's whole order is turned round.
    """

    def __init__(self, options: AttackerOptions, context: BuildContext) -> None:
        self.options, self.context = options, context
        for name in options.promote:
            if name not in context.env.factors:
                where = f"sources.{context.name}.promote"
                raise ConfigError(
                    f"{where}: {context.env.id} has no factor '{name}'. {choices(name, context.env.factors)}"
                )

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        """Answer what is asked about reward; questions about anything else are left undecided."""
        asked = [query for query in queries if query.question == "reward"]
        returns = [np.array([rewards(item, "reward").sum() for item in query.items]) for query in asked]
        turned = self._turned(asked, returns, context.round)
        for query, worth, wrong in zip(asked, returns, turned, strict=True):
            answer = Tiers.of_ranks(ranks(-worth if wrong else worth))
            yield Preference.of(query, answer, source=self.context.name)

    def _turned(self, queries: Sequence[Query], returns: Sequence[Floats], round: int) -> list[bool]:
        """Which of the questions are answered the wrong way round."""
        rate = self.options.rate
        if self.options.aim == "random" and not self.options.promote:
            return [bool(self.context.rng("turn", query.id).random() < rate) for query in queries]
        harm = np.array([self._harm(query.items, worth) for query, worth in zip(queries, returns, strict=True)])
        wanted = rate * len(queries)
        many = int(wanted) + int(self.context.rng("rest", round).random() < wanted % 1)
        worst = set(np.argsort(-harm, kind="stable")[:many].tolist())
        return [place in worst and harm[place] > 0 for place in range(len(queries))]

    def _harm(self, items: Sequence[Item], returns: Floats) -> float:
        """What a wrong answer does: how far best and worst clip are apart, or how much more the worst has of the promoted."""
        best, worst = int(returns.argmax()), int(returns.argmin())
        for name, direction in self.options.promote.items():
            amounts = [float(np.mean(clip_of(item).factors[name])) for item in (items[worst], items[best])]
            if not np.isfinite(amounts).all():
                raise PluginError(
                    f"sources.{self.context.name}: factor '{name}' is NaN in a clip that was asked about."
                )
            return (amounts[0] - amounts[1]) * (1 if direction == "more" else -1)
        return float(returns[best] - returns[worst])
