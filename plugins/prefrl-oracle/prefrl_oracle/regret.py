"""Queries about clips come in; answers by how little each clip departs from a good policy go out.

A clip's regret is what it lost against acting well from where it began (Knox et al. 2022, arXiv 2206.02231): the sum over
its steps of V(s) - Q(s, a), which is minus the advantages. Unlike the return it does not praise a clip for where it began,
and no potential added to the reward changes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from prefrl.errors import PluginError
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Candidate, Choice, Item, Preference, Query, Segment, Tiers
from prefrl_oracle.options import RegretOptions
from prefrl_oracle.teacher import Floats, perturbed, ranks


def regret(advantages: Floats) -> float:
    """What a clip lost, from the advantages (H,) of its steps; 0 exactly where every action was as good as any."""
    return -float(advantages.sum())


class Regret:
    """An immediate source whose advantages are those of a saved policy's critic."""

    def __init__(self, options: RegretOptions, context: BuildContext) -> None:
        self.options, self.context = options, context
        if context.saved_policy is None:
            raise PluginError(f"sources.{context.name}: there is no way to read a saved policy here.")
        self._expert: Any = context.saved_policy(options.policy)

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        """Answer what is asked about reward; everything else is left undecided."""
        for query in queries:
            if query.question != "reward":
                continue
            perceived = -np.array([regret(self._advantages(item)) for item in query.items])
            if self.options.beta is not None:
                perceived = perturbed(perceived, self.options.beta, self.context.rng("noise", query.id))
            answer = Choice(int(perceived.argmax())) if query.kind == "choice" else Tiers.of_ranks(ranks(perceived))
            yield Preference.of(query, answer, source=self.context.name)

    def _advantages(self, item: Item) -> Floats:
        """(H,) of the clip's steps."""
        clip = item.clip if isinstance(item, Candidate) else item
        if not isinstance(clip, Segment):
            raise PluginError(
                f"The regret teacher judges robot clips; item {item.id[:12]} is a {item.kind} without one."
            )
        steps = self._expert.advantage(np.asarray(clip.obs[:-1]), np.asarray(clip.action), self.options.samples)
        return np.asarray(steps, np.float64)
