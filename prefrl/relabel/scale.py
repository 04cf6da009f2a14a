"""Learned rewards in, the same divided by the running standard deviation of their discounted return out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.running_mean_std import RunningMeanStd

from prefrl.types import Array


class RewardScale:
    """Divides rewards by the running standard deviation of their discounted return, as VecNormalize does, clipped at 10.

    The same code in every arm; its statistics never see another reward than the one the learner sees. A rollout is
    scaled as it is observed (`apply`). A replay buffer keeps rewards as the model gave them and is scaled when it is
    sampled (`scaled`), so that one scale, the current one, holds for all of its rows.
    """

    def __init__(self, gamma: float, n_envs: int) -> None:
        self._gamma = gamma
        self._statistics = RunningMeanStd(shape=())
        self._returns = np.zeros(n_envs)

    def apply(self, rewards: Array, dones: Array) -> Array:
        """(n_steps, n_envs) scaled rewards, each by what was observed up to it; `dones` says where episodes ended."""
        scaled = np.empty(rewards.shape)
        for t in range(len(rewards)):
            self.observe(rewards[t : t + 1], dones[t : t + 1])
            scaled[t] = self.scaled(rewards[t])
        return scaled

    def observe(self, rewards: Array, dones: Array) -> None:
        """Add consecutive steps (n_steps, n_envs) to the statistics."""
        for reward, done in zip(rewards, np.asarray(dones, bool), strict=True):
            self._returns = self._returns * self._gamma + reward
            self._statistics.update(self._returns)
            self._returns[done] = 0

    def restart(self, rewards: Array, dones: Array) -> None:
        """Forget what was observed; the statistics are those of these consecutive steps, given by another model."""
        ended = np.asarray(dones, bool)
        returns = discounted(rewards, ended, self._gamma)
        self._statistics = RunningMeanStd(shape=())
        self._statistics.update(returns.reshape(-1))
        self._returns = np.where(ended[-1], 0.0, returns[-1])

    def scaled(self, rewards: Array) -> Array:
        """Rewards of any shape on the current scale."""
        return np.asarray(np.clip(rewards / np.sqrt(self._statistics.var + 1e-8), -10, 10))

    def state_dict(self) -> Mapping[str, Any]:
        statistics = self._statistics
        return {"mean": statistics.mean, "var": statistics.var, "count": statistics.count, "returns": self._returns}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        statistics = self._statistics
        statistics.mean, statistics.var, statistics.count = state["mean"], state["var"], state["count"]
        self._returns = state["returns"].copy()


def discounted(rewards: Array, ended: Array, gamma: float) -> Array:
    """(n, n_envs) sum of gamma^j * rewards[t - j] over the steps of t's episode so far.

    Sums over twice as many steps at a time, so that a million rows take log2(longest episode) passes instead of a loop.
    """
    total = np.array(rewards, float)
    steps = np.arange(len(total))[:, None]
    begun = np.zeros(total.shape, int)
    begun[1:] = np.where(ended[:-1], steps[1:], 0)
    age = steps - np.maximum.accumulate(begun)
    span = 1
    while span <= age.max():
        earlier = gamma**span * total[:-span]
        total[span:] += np.where(age[span:] >= span, earlier, 0.0)
        span *= 2
    return total
