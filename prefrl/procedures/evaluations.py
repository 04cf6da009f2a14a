"""A run's policies in, their evaluations out: beside random actions, and with what the reward model says of the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from prefrl.evaluation import FIRST_SEED, Evaluator, agreement, learned_rewards, paired_returns, summarise
from prefrl.policies import RandomPolicy
from prefrl.runs import RunFolder
from prefrl.segments import SegmentPool
from prefrl.settings import RunSettings
from prefrl.specs import Policy, RewardModel
from prefrl.types import EnvInfo, Episode, Evaluation

AGREEMENT_SEGMENTS = 400  # segments on which learned and true return are compared at each evaluation


class Evaluations:
    """Writes each to the run folder, and an episode of start, middle and end for the report's clips."""

    def __init__(self, settings: RunSettings, env: EnvInfo, folder: RunFolder, rng: Callable[..., Any]) -> None:
        self._settings, self._folder, self._rng = settings, folder, rng
        self.evaluator = Evaluator(settings.env, env)
        self.last: Evaluation | None = None

    def of(
        self, policy: Policy, reward: RewardModel, pool: SegmentPool | None, *, step: int, preferences: int, final: bool
    ) -> Evaluation:
        """Of the run's policy after `step` steps; learned and true returns are compared on the clips of `pool`."""
        settings = self._settings.evaluate
        if self.last is None:
            actions = RandomPolicy(self.evaluator.action_space(), 0)
            random, _, _ = self._judged(actions, reward, pool, step, preferences, settings.final_episodes)
            self._folder.replace_json("random.json", random)
        n = settings.final_episodes if final else settings.episodes
        self.last, episode, learned = self._judged(policy, reward, pool, step, preferences, n)
        total = self._settings.algo.n_timesteps
        label = "start" if step == 0 else "middle" if step < 0.6 * total else "end"
        self._folder.save_episode(label, episode, learned, step)
        self._folder.append("evaluations.jsonl", self.last)
        return self.last

    def _judged(
        self, policy: Policy, reward: RewardModel, pool: SegmentPool | None, step: int, preferences: int, n: int
    ) -> tuple[Evaluation, Episode, Any]:
        """The evaluation, its first episode, and the learned reward of that."""
        seeds = [FIRST_SEED + i for i in range(n)]
        episodes = self.evaluator.episodes(policy, seeds)
        learned = learned_rewards(reward, episodes)
        compared = (float("nan"), float("nan"))
        if pool is not None:
            length = self._settings.feedback.segment
            returns = paired_returns(pool, reward, AGREEMENT_SEGMENTS, length, self._rng("agreement", step))
            self._folder.replace_arrays("correlation.npz", {"learned": returns[0], "true": returns[1]})
            compared = agreement(*returns)
        evaluation = summarise(
            episodes, seeds, self.evaluator.success, learned, step=step, preferences=preferences, agreement=compared
        )
        return evaluation, episodes[0], learned[0]

    def recall(self) -> None:
        """Those already in the run folder."""
        lines = list(self._folder.lines("evaluations.jsonl"))
        self.last = Evaluation(**lines[-1]) if lines else None

    def save_results(self) -> None:
        """All of them in SB3's layout."""
        lines = list(self._folder.lines("evaluations.jsonl"))
        few = min(len(line["true_return"]) for line in lines)
        self._folder.replace_arrays("evaluations.npz", {
            "timesteps": np.array([line["step"] for line in lines]),
            "results": np.array([line["true_return"][:few] for line in lines]),
            "ep_lengths": np.array([line["length"][:few] for line in lines]),
        })  # fmt: skip
