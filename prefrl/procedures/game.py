"""Saved policies in, the mixture of them that nothing beats by much out: answers may go round in circles."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prefrl.errors import ConfigError
from prefrl.games.game import Floats, PreferenceGame
from prefrl.games.mixture import Mixture
from prefrl.games.model import PairwiseModel
from prefrl.games.updates import solve
from prefrl.procedures.learning import begin_as
from prefrl.procedures.options import GameOptions
from prefrl.segments import SegmentPool
from prefrl.specs import Policy, RunContext
from prefrl.types import Episode, Preference, Query, Segment, Tiers

FIRST_SEED = 20_000  # of the episodes that are compared: those of evaluation are left alone


class Game:
    """Every two policies are compared on clips of both; who beats whom is counted, and the game is solved.

    With `reward.model: pairwise` a preference model of clips is fitted to the answers and asked instead of the counts.
    `mixture/` in the run folder holds the policies and their weights, `game.json` the counts, the matrix and how
    exploitable the mixture and each single policy are. The run's own learner only takes the weightiest policy over.
    """

    def __init__(self, options: GameOptions) -> None:
        self._options = options

    def run(self, context: RunContext) -> None:
        options = self._options
        if not context.settings.sources:
            raise ConfigError("sources: the procedure 'game' asks which policy's clip is better; name a source.")
        if len(options.policies) < 2:
            raise ConfigError(f"procedure.policies: a game needs two policies or more, not {len(options.policies)}.")
        read = context.build_context("game").saved_policy
        assert read is not None
        policies = [read(name) for name in options.policies]
        clips = [self._clips(context, number, policy) for number, policy in enumerate(policies)]
        wins = self._wins(context, clips)
        game = self._modelled(context, clips) or PreferenceGame.of_wins(wins)
        weights = solve(game, options.method, options.eta, options.tau, options.steps)
        Mixture(policies, options.policies, weights).save(context.folder / "mixture")
        self._report(context, wins, game, weights)
        learner = context.learner()
        begin_as(learner, options.policies[int(weights.argmax())], context)
        context.evaluate(learner.policy, final=True)

    def _wins(self, context: RunContext, clips: Sequence[Sequence[Segment]]) -> Floats:
        """(K, K) how often the row was preferred, ties half to each."""
        queries: dict[str, tuple[int, int, Query]] = {}
        for i, j in itertools.combinations(range(len(clips)), 2):
            for first, second in zip(clips[i], clips[j], strict=True):
                if first.id != second.id:
                    query = Query.of(context.name, 0, (first, second), why=f"{i} against {j}")
                    queries[query.id] = (i, j, query)
        answers = context.ask([query for *_, query in queries.values()], 0)
        wins = np.zeros((len(clips), len(clips)))
        for answer in answers:
            i, j, _ = queries[answer.query_id]
            share = _share(answer)
            if share is not None:
                wins[i, j] += share
                wins[j, i] += 1 - share
        return wins

    def _modelled(self, context: RunContext, clips: Sequence[Sequence[Segment]]) -> PreferenceGame | None:
        """The game as a preference model sees it, over all pairs of clips; None where the reward model is none."""
        model = context.reward
        if not isinstance(model, PairwiseModel):
            return None
        every = [clip for own in clips for clip in own]
        model.observe([Episode(clip.id, clip.obs, clip.action) for clip in every])
        context.fit(round=1)
        count = len(clips)
        matrix = model.wins(every).reshape(count, len(every) // count, count, -1).mean((1, 3))
        np.fill_diagonal(matrix, 0.5)
        return PreferenceGame.of(matrix)

    def _clips(self, context: RunContext, number: int, policy: Policy) -> Sequence[Segment]:
        """`pairs` clips of episodes of one policy, the same starts for every policy."""
        options, length = self._options, context.settings.feedback.segment
        episodes = context.collect(policy, options.episodes, FIRST_SEED)
        pool = SegmentPool(episodes, sum(map(len, episodes)), 1)
        return [pool.segment(cut) for cut in pool.sample(options.pairs, length, context.rng("clips", number))]

    def _report(self, context: RunContext, wins: Floats, game: PreferenceGame, weights: Floats) -> None:
        single = np.eye(len(weights))
        record = {
            "policies": list(self._options.policies),
            "wins": wins.tolist(),
            "matrix": game.matrix.tolist(),
            "weights": weights.tolist(),
            "exploitability": game.exploitability(weights),
            "exploitability_of_each": [game.exploitability(each) for each in single],
        }
        (context.folder / "game.json").write_text(json.dumps(record, indent=1), encoding="utf-8")

    def state_dict(self) -> Mapping[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Asked questions are answered once; the rest is a second's work."""


def _share(preference: Preference) -> float | None:
    """1 for the first, 0 for the second, 1/2 for a tie; None if nothing was said."""
    if not isinstance(preference.answer, Tiers):
        return None
    first, second = preference.answer.ranks(2)
    return 0.5 if first == second else float(first < second)
