"""Questions about single clips come in; thumbs up or down by true return go out, few and some of them meant badly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from prefrl.errors import PluginError
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Binary, Preference, Query
from prefrl_oracle.options import ThumbsOptions
from prefrl_oracle.oracle import rewards

RECORDED = 1000  # random clips that say what is good by the standards of the run


class Thumbs:
    """An immediate source. A clip is worth a thumb up if its return is among the best of what is recorded by then."""

    def __init__(self, options: ThumbsOptions, context: BuildContext) -> None:
        self.options, self.context = options, context

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        """React to some clips; what silence means, the options say. Questions about a cost are left undecided."""
        standards: dict[int, float] = {}
        for query in queries:
            if query.question != "reward":
                continue
            clips = [rewards(item, "reward") for item in query.items]
            length = max(map(len, clips))
            if length not in standards:
                standards[length] = self._standard(length, context)
            rng = self.context.rng("thumb", query.id)
            reacts, badly = rng.random() < self.options.rate, rng.random() < self.options.adversarial
            if reacts:
                up = tuple(float((clip.sum() >= standards[length]) != badly) for clip in clips)
                yield Preference.of(query, Binary(up), source=self.context.name)
            elif self.options.silence == "down":
                yield Preference.of(query, Binary((0.0,) * len(clips)), source=self.context.name)

    def _standard(self, length: int, context: AskContext) -> float:
        """The return that the asked share of recorded clips reaches."""
        if context.pool is None:
            raise PluginError(
                f"sources.{self.context.name}: thumbs are given by the standards of what a run records, and nothing is "
                f"recorded here."
            )
        rng = self.context.rng("standard", context.round, length)
        drawn = context.pool.sample(RECORDED, length, rng)
        returns = [rewards(context.pool.segment(cut), "reward").sum() for cut in drawn]
        return float(np.quantile(returns, 1 - self.options.share))
