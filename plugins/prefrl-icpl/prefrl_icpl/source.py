"""Questions about clips in, answers by reward programs out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from prefrl.errors import PluginError
from prefrl.sandbox import ProgramFault
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Array, Preference, Query, Segment, Tiers
from prefrl_icpl.options import ProgramsOptions
from prefrl_icpl.program import clip_of
from prefrl_icpl.programs import runners
from prefrl_icpl.running import Runner


class Programs:
    """An immediate source. Each program ranks a question's clips by its return of them; the mean rank is the answer.

    Ranks, because programs differ in scale; of the question's clips alone, because an answer must not depend on what else
    is asked. Clips of equal mean rank are tied.
    """

    def __init__(self, options: ProgramsOptions, context: BuildContext) -> None:
        self._where = f"sources.{context.name}"
        self._name = context.name
        self._runners = runners(options, context.env, f"{self._where}.run")

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        """Answer what is asked about reward; questions about anything else are left undecided."""
        for query in queries:
            if query.question == "reward":
                clips = [clip_of(item) for item in query.items]
                ranks = np.mean([_ranks(self._returns(runner, clips)) for runner in self._runners], axis=0)
                tiers = Tiers.of_ranks([int(rank) for rank in _ranks(-ranks)])
                yield Preference.of(query, tiers, source=self._name)

    def _returns(self, runner: Runner, clips: Sequence[Segment]) -> Array:
        """(K,) of the clips, per step, so that one cut short is judged by what it shows."""
        try:
            steps = runner(clips).reward
        except ProgramFault as fault:
            raise PluginError(f"{self._where}: a program cannot judge a clip: {fault}") from fault
        ends = np.cumsum([len(clip) for clip in clips])[:-1]
        return np.array([part.mean() for part in np.split(steps, ends)])


def _ranks(values: Array) -> Array:
    """(K,) 0 for the largest, equal ones alike: how many are larger."""
    rounded = np.round(values, 9)
    return np.array([float((rounded > value).sum()) for value in rounded])
