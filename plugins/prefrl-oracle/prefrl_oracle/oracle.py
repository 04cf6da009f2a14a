"""Queries whose segments carry true reward come in; answers by their returns go out, as fallible as the options say.

The order of B-Pref: skip, mark equal, look myopically, perceive with noise, make mistakes; what was marked equal
overwrites last, so that no mistake touches it. B-Pref's own code multiplies its thresholds by their share once more in
every round after the first; here the share counts once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from prefrl.errors import PluginError, choices
from prefrl.specs import AskContext, BuildContext, Pool
from prefrl.types import Answer, Array, Candidate, Choice, Episode, Item, Preference, Query, Rationale, Segment, Tiers
from prefrl_oracle.calibration import rationality
from prefrl_oracle.options import OracleOptions
from prefrl_oracle.teacher import (
    Floats,
    discounted,
    levelled,
    perturbed,
    ranks,
    skip_threshold,
    together,
    turned_round,
    usual_return,
)

RECENT = 10  # episodes that say what is usual, as in B-Pref
CALIBRATION = 1000  # random clips whose differences say how hard the questions are


@dataclass(frozen=True, slots=True)
class Standards:
    """What the recorded so far makes of the options, for clips of one length and one question."""

    usual: float | None  # return of so many steps; None if nobody asks for it
    beta: float | None


class Oracle:
    """An immediate source. The same question under the same seed, of the same recording, gets the same answer, in
    whatever batch or order."""

    def __init__(self, options: OracleOptions, context: BuildContext) -> None:
        self.options = options
        self.context = context

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        """Answer what is asked about reward or a cost; questions about anything else are left undecided."""
        standards: dict[tuple[str, int], Standards] = {}
        for query in queries:
            if query.question == "reward" or query.question.startswith("cost:"):
                clips = [rewards(item, query.question) for item in query.items]
                key = (query.question, max(map(len, clips)))
                if key not in standards:
                    standards[key] = self._standards(*key, context)
                yield self._preference(query, clips, standards[key])

    def _preference(self, query: Query, clips: Sequence[Floats], standards: Standards) -> Preference:
        options, usual = self.options, standards.usual
        returns = np.array([clip.sum() for clip in clips])
        if options.skip and usual is not None and returns.max() <= skip_threshold(options.skip, usual):
            reason = Rationale(text=f"no clip reaches {options.skip:.0%} of the usual return {usual:.4g}")
            return Preference.of(query, None, source=self.context.name, rationale=reason)
        perceived = self._perceived(query, clips, standards.beta)
        if options.equal and usual is not None:
            perceived = levelled(perceived, together(returns, options.equal * abs(usual)))
        return Preference.of(query, self._answer(query, perceived), source=self.context.name)

    def _perceived(self, query: Query, clips: Sequence[Floats], beta: float | None) -> Floats:
        """What the answer is sorted by, (K,); streams of the question, not of a batch: order must not matter."""
        perceived = np.array([discounted(clip, self.options.discount) for clip in clips])
        if beta is not None:
            perceived = perturbed(perceived, beta, self.context.rng("noise", query.id))
        if self.options.mistake:
            draw = np.asarray(self.context.rng("mistake", query.id).random())
            perceived = turned_round(perceived, draw, self.options.mistake)
        return perceived

    def _answer(self, query: Query, perceived: Floats) -> Answer:
        if query.kind == "choice":
            best = np.flatnonzero(perceived == perceived.max())
            return Choice(int(self.context.rng("choice", query.id).choice(best)))
        if query.kind in ("pair", "ranking"):
            return Tiers.of_ranks(ranks(perceived))
        raise PluginError(f"The oracle cannot answer a {query.kind} question. It answers pair, ranking and choice.")

    def _standards(self, question: str, steps: int, context: AskContext) -> Standards:
        options, pool = self.options, context.pool
        if not options.watches:
            return Standards(None, options.beta)
        if pool is None:
            raise PluginError(
                f"sources.{self.context.name}: skip, equal and error are measured on what a run records, and nothing is "
                f"recorded here; leave them 0 and set beta, discount or mistake instead."
            )
        usual = None
        if options.skip or options.equal:
            recent = [per_step(episode, question) for episode in pool.recent(RECENT)]
            usual = usual_return(np.concatenate(recent), steps)
        return Standards(usual, self._calibrated(pool, question, steps, context) if options.error else options.beta)

    def _calibrated(self, pool: Pool, question: str, steps: int, context: AskContext) -> float | None:
        rng = self.context.rng("calibration", context.round, question, steps)
        clips = [rewards(pool.segment(cut), question) for cut in pool.sample(CALIBRATION, steps, rng)]
        returns = np.array([discounted(clip, self.options.discount) for clip in clips])
        return rationality(returns, self.options.error)


def rewards(item: Item, question: str) -> Floats:
    """(H,) true reward of the item's steps, or minus the cost that `question` names."""
    return per_step(clip_of(item), question)


def clip_of(item: Item) -> Segment:
    """The clip by which an item is judged."""
    segment = item.clip if isinstance(item, Candidate) else item
    if not isinstance(segment, Segment):
        raise PluginError(
            f"The oracle judges robot clips by their return; item {item.id[:12]} is a {item.kind} without one."
        )
    return segment


def per_step(recorded: Segment | Episode, question: str) -> Floats:
    """(T,) what `question` is about, more is better."""
    if question == "reward":
        if recorded.true_reward is None:
            what = f"{type(recorded).__name__.lower()} {recorded.id[:12]}"
            raise PluginError(f"The oracle needs the true reward, and {what} was recorded without.")
        return doubled(recorded.true_reward)
    name = question.removeprefix("cost:")
    if name not in recorded.cost:
        raise PluginError(f"The oracle is asked about the cost '{name}'. {choices(name, recorded.cost)}")
    return -doubled(recorded.cost[name])


def doubled(values: Array) -> Floats:
    """In double precision: sums over a clip must not depend on how the steps were stored."""
    return np.asarray(values, dtype=np.float64)
