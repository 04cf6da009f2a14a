"""Proposed questions in, those worth asking out; questions in, answers out."""

from collections.abc import Iterator, Sequence

import numpy as np

from prefrl.specs import AskContext, BuildContext, Candidates, NoOptions
from prefrl.types import Preference, Query, Segment, Tiers
from prefrl_example.options import SourceOptions


class Calm:
    """A source that answers at once. What it may read of a clip is what its spec `needs`; the rest is absent."""

    def __init__(self, options: SourceOptions, context: BuildContext) -> None:
        self._margin = options.margin
        self._name = context.name  # the key in the YAML, which answers are signed with

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        """Each answer is stored the moment it is yielded; a question left out goes on to the next source."""
        for query in queries:
            clips = [item for item in query.items if isinstance(item, Segment)]
            if len(clips) == len(query.items):
                effort = np.array([float(np.square(clip.action).mean()) for clip in clips])
                yield Preference.of(query, Tiers.of_ranks(self._ranks(effort)), source=self._name)

    def _ranks(self, effort: np.ndarray) -> list[int]:
        """Rank 0 is the calmest; what is nearer than the margin to the one before shares its rank."""
        order = np.argsort(effort, kind="stable")
        ranks = np.empty(len(effort), int)
        ranks[order] = np.cumsum(np.diff(effort[order], prepend=effort[order[0]]) > self._margin)
        return [int(rank) for rank in ranks]


class Lively:
    """A selector. It looks at the clips alone, so that it can choose before the first fit too."""

    informed = True

    def __init__(self, options: NoOptions, context: BuildContext) -> None:
        """Nothing to set."""

    def select(self, candidates: Candidates, n: int, rng: np.random.Generator) -> Sequence[tuple[int, str]]:
        """At most n (row of `candidates.items`, why) pairs, the best first."""
        moved = np.array([float(np.abs(clip.obs[-1] - clip.obs[0]).sum()) for clip in candidates.segments])
        total = moved[candidates.items].sum(axis=1)
        return [(int(row), f"moved {total[row]:.3g}") for row in np.argsort(-total, kind="stable")[:n]]
