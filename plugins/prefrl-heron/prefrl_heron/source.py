"""Queries whose segments carry factors come in; answers by the first level that tells clips apart go out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prefrl.errors import PluginError
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Answer, Choice, Preference, Query, Rationale, Segment, Tiers
from prefrl_heron.hierarchy import Decisions, chain, decide
from prefrl_heron.margins import Yardstick, measure
from prefrl_heron.options import HeronOptions
from prefrl_heron.ranking import Floats, clip_of, ranked
from prefrl_heron.tally import Tally

log = logging.getLogger(__name__)


class Heron:
    """An immediate source (Bukharin et al. 2023, arXiv 2309.02632). It never sees the true reward.

    Margins are measured anew each round on clips of everything recorded, as long as those it is asked about. What no level
    decides is no tie: it is skipped or left to the next source, and never enters an answer.
    """

    def __init__(self, options: HeronOptions, context: BuildContext) -> None:
        self.options, self.context = options, context
        self._where = f"sources.{context.name}"
        self.ranking = ranked(options, context.env, self._where)
        self.tally = Tally(self.ranking)
        self._warned: set[str] = set()

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        """Answer what is asked about reward; questions about anything else are left undecided."""
        yardsticks: dict[int, Yardstick] = {}
        for query in queries:
            if query.question != "reward":
                continue
            if query.kind not in ("pair", "ranking", "choice"):
                raise PluginError(f"HERON cannot answer a {query.kind} question. It answers pair, ranking and choice.")
            clips = [clip_of(item) for item in query.items]
            length = max(map(len, clips))
            if length not in yardsticks:
                yardsticks[length] = self._yardstick(length, context)
            preference = self._preference(query, clips, yardsticks[length])
            if preference is not None:
                yield preference
        if yardsticks and self.context.folder != Path():  # a source built outside of a run has nowhere to report to
            last = yardsticks[max(yardsticks)]
            self.tally.write(self.context.folder, self.context.name, last, self.options.privileged)

    def _preference(self, query: Query, clips: Sequence[Segment], yardstick: Yardstick) -> Preference | None:
        values = self._values(clips)
        if not np.isfinite(values).all():
            raise PluginError(f"{self._where}: a ranked factor is NaN in a clip of query {query.id[:12]}.")
        decisions = decide(self.ranking.summed(values, yardstick.spread), yardstick.margins)
        answer, used = _answer(query.kind, decisions)
        self.tally.add(decisions, len(used))
        if answer is None and self.options.undecided == "pass":
            return None
        return Preference.of(query, answer, source=self.context.name, rationale=self._rationale(decisions, used))

    def _rationale(self, decisions: Decisions, used: Sequence[int]) -> Rationale:
        """The factor that decided, where one level decided every pair that is stated."""
        levels = {int(decisions.level[i, j]) for place, i in enumerate(used) for j in used[place + 1 :]}
        if not levels:
            return Rationale(text="the clips differ by no level's margin")
        titles = [self.ranking.title(level) for level in sorted(levels)]
        return Rationale(factor=titles[0] if len(titles) == 1 else None, text=f"decided by {' and '.join(titles)}")

    def _values(self, clips: Sequence[Segment]) -> Floats:
        """(K, F) signed aggregates."""
        over = np.mean if self.options.aggregate == "mean" else np.sum
        return np.stack([over(self.ranking.read(clip.factors), axis=0) for clip in clips])

    def _yardstick(self, length: int, context: AskContext) -> Yardstick:
        if context.pool is None:
            raise PluginError(
                f"{self._where}: margins are measured on what a run records, and nothing is recorded here; ask HERON within "
                f"a run."
            )
        rng = self.context.rng("margins", context.round, length)
        drawn = [context.pool.segment(cut) for cut in context.pool.sample(self.options.clips, length, rng)]
        yardstick = measure(self._values(drawn), self.ranking, self.options, self._where)
        for name, spread in zip(self.ranking.names, yardstick.spread, strict=True):
            if spread == 0 and name not in self._warned:
                self._warned.add(name)
                log.warning(
                    "%s: factor '%s' is constant over the %d clips recorded by step %d and decides nothing until it varies.",
                    self._where, name, len(drawn), context.step,
                )  # fmt: skip
        return yardstick

    def state_dict(self) -> Mapping[str, Any]:
        return self.tally.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.tally.load_state_dict(state)


def _answer(kind: str, decisions: Decisions) -> tuple[Answer | None, list[int]]:
    """What may be stated, and of which clips."""
    if kind == "choice":
        others = len(decisions.winner) - 1
        best = [i for i, row in enumerate(decisions.winner) if (row > 0).sum() == others]
        return (Choice(best[0]), [best[0], *(i for i in range(others + 1) if i != best[0])]) if best else (None, [])
    row = chain(decisions.winner)
    return (Tiers(tuple((i,) for i in row)), row) if row else (None, [])
