"""Queries about clips come in; answers by return go out, and for the worse clip one that shows how it is done.

Critique as correction: whoever says that a clip is bad can often show a better one from where it began, and the pair of the
two says more precisely what was wrong than the comparison with another clip does (after DRESS, Chen et al. 2023, and
corrective advice in robot learning).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from prefrl.errors import PluginError
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Correction, Preference, Query, Tiers
from prefrl_oracle.options import CorrectorOptions
from prefrl_oracle.oracle import clip_of, rewards
from prefrl_oracle.teacher import ranks


class Corrector:
    """An immediate source whose corrections are what a saved policy does from the beginning of the worse clip."""

    def __init__(self, options: CorrectorOptions, context: BuildContext) -> None:
        self.options, self.context = options, context
        if context.saved_policy is None:
            raise PluginError(f"sources.{context.name}: there is no way to read a saved policy here.")
        self._expert: Any = context.saved_policy(options.policy)

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference | Correction]:
        """Answer what is asked about reward, and correct a share of the worst clips; everything else is left undecided."""
        for query in queries:
            if query.question != "reward":
                continue
            returns = np.array([rewards(item, "reward").sum() for item in query.items])
            yield Preference.of(query, Tiers.of_ranks(ranks(returns)), source=self.context.name)
            if self.context.rng("correct", query.id).random() < self.options.share:
                yield from self._corrected(query, int(returns.argmin()), context)

    def _corrected(self, query: Query, worst: int, context: AskContext) -> Iterator[Correction]:
        """A correction that is no better is none."""
        if context.simulate is None:
            raise PluginError(
                f"sources.{self.context.name}: nothing can be simulated here, so nothing can be corrected."
            )
        bad = clip_of(query.items[worst])
        good = context.simulate(bad, self._expert, len(bad))
        if rewards(good, "reward").sum() <= rewards(bad, "reward").sum():
            return
        asked = Query.of(self.context.run, query.round, [good, bad], why=f"correction of {bad.id[:12]}")
        yield Correction(asked, Preference.of(asked, Tiers(((0,), (1,))), source=self.context.name))
