"""The ONLY place where learned reward replaces environment reward.

SB3 steps with reward 0.0, so that its buffer holds exactly its own time-limit bootstrap. When a rollout is complete,
the learned reward of all its steps is computed in one batch and added before returns and advantages are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.running_mean_std import RunningMeanStd

from prefrl.rollout.recording import Recording
from prefrl.specs import Bonus, Needs, RewardModel
from prefrl.timing import Clock
from prefrl.types import Array, Channels, Episode


class RewardScale:
    """Divides rewards by the running standard deviation of their discounted return, as VecNormalize does, clipped at 10.

    The same code in every arm; its statistics never see another reward than the one the learner sees.
    """

    def __init__(self, gamma: float, n_envs: int) -> None:
        self._gamma = gamma
        self._statistics = RunningMeanStd(shape=())
        self._returns = np.zeros(n_envs)

    def apply(self, rewards: Array, dones: Array) -> Array:
        """(n_steps, n_envs) scaled rewards; `dones` says after which steps an episode ended."""
        scaled = np.empty(rewards.shape)
        for t, (reward, done) in enumerate(zip(rewards, dones, strict=True)):
            self._returns = self._returns * self._gamma + reward
            self._statistics.update(self._returns)
            scaled[t] = np.clip(reward / np.sqrt(self._statistics.var + 1e-8), -10, 10)
            self._returns[done] = 0
        return scaled

    def state_dict(self) -> Mapping[str, Any]:
        statistics = self._statistics
        return {"mean": statistics.mean, "var": statistics.var, "count": statistics.count, "returns": self._returns}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        statistics = self._statistics
        statistics.mean, statistics.var, statistics.count = state["mean"], state["var"], state["count"]
        self._returns = state["returns"]


class Relabeller:
    """Turns what was just recorded into the scalar the learner sees, and keeps the learned return of each episode."""

    def __init__(
        self,
        reward: RewardModel,
        needs: Needs,
        recording: Recording,
        *,
        gamma: float,
        scale: bool,
        bonuses: Sequence[Bonus],
        clock: Clock,
    ) -> None:
        self.reward, self.needs = reward, needs
        self._recording, self._bonuses, self._clock = recording, bonuses, clock
        self._gamma = gamma
        self._scale = RewardScale(gamma, recording.n_envs) if scale else None
        self._learned = np.zeros(recording.n_envs)  # returns of the episodes in progress
        self._true = np.zeros(recording.n_envs)
        self._length = np.zeros(recording.n_envs, int)
        self.ended: deque[dict[str, float]] = deque(maxlen=100)  # SB3's episode record: r, l, t and the true return

    def rollout(self, shape: tuple[int, int], dones: Array) -> Array:
        """(n_steps, n_envs) float32 rewards of the steps recorded since the last call."""
        with self._clock.phase("relabel"):
            parts = list(self._recording.fresh())
            episodes = [self._seen_by_model(episode) for _, episode in parts]
            reward = self._combined(episodes)
            rewards = np.empty(shape, np.float32)  # as SB3's own VecEnvs return them
            filled = np.zeros(shape[1], int)
            offset = 0
            for env, episode in parts:
                steps = len(episode)
                rewards[filled[env] : filled[env] + steps, env] = reward[offset : offset + steps]
                filled[env] += steps
                self._account(env, reward[offset : offset + steps], episode)
                offset += steps
            assert (filled == shape[0]).all(), "the recording and the rollout buffer disagree"
            if self._scale is not None:
                rewards = self._scale.apply(rewards, dones)
            return np.asarray(rewards, np.float32)

    @contextmanager
    def using(self, reward: RewardModel) -> Iterator[None]:
        """Inside, rewards come from another model, on a scale of its own."""
        own = self.reward, self._scale
        self.reward = reward
        self._scale = self._scale and RewardScale(self._gamma, self._recording.n_envs)
        try:
            yield
        finally:
            self.reward, self._scale = own

    def skip(self) -> None:
        """Steps recorded so far need no reward: nobody learns from them."""
        for env, episode in self._recording.fresh():
            self._account(env, np.zeros(len(episode)), episode)

    def _combined(self, episodes: Sequence[Episode]) -> Array:
        """The mean over members, plus the bonuses."""
        channels: Channels = self.reward.rewards(episodes)
        reward = np.asarray(channels["reward"], float)
        for bonus in self._bonuses:
            reward = reward + bonus.rewards(episodes, channels, self._recording.steps)
        return reward

    def _seen_by_model(self, episode: Episode) -> Episode:
        """Without what the reward model did not declare."""
        factors: Channels = {}
        if self.needs & {"factors", "privileged_factors"}:
            known = self._recording.env.factors
            open_to_all = "privileged_factors" in self.needs
            factors = {n: a for n, a in episode.factors.items() if open_to_all or not known[n].privileged}
        true_reward = episode.true_reward if "true_reward" in self.needs else None
        return replace(episode, true_reward=true_reward, factors=factors, cost={}, states=None)

    def _account(self, env: int, reward: Array, episode: Episode) -> None:
        self._learned[env] += float(reward.sum())
        self._true[env] += float(np.sum(np.asarray(episode.true_reward)))
        self._length[env] += len(episode)
        if episode.terminated or episode.truncated:
            ended = {
                "r": self._learned[env],
                "l": int(self._length[env]),
                "t": self._clock.elapsed(),
                "true": self._true[env],
            }
            self.ended.append(ended)
            self._learned[env] = self._true[env] = self._length[env] = 0

    def state_dict(self) -> Mapping[str, Any]:
        return {
            "scale": self._scale.state_dict() if self._scale is not None else None,
            "returns": (self._learned, self._true, self._length),
            "ended": list(self.ended),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if self._scale is not None:
            self._scale.load_state_dict(state["scale"])
        self._learned, self._true, self._length = state["returns"]
        self.ended = deque(state["ended"], maxlen=self.ended.maxlen)


def _add_learned(buffer: RolloutBuffer, relabel: Relabeller, dones: Array) -> None:
    """Before `get()`, which flattens the arrays in place."""
    ended = np.concatenate([buffer.episode_starts[1:], np.asarray(dones)[None]]).astype(bool)
    buffer.rewards += relabel.rollout((buffer.buffer_size, buffer.n_envs), ended)


class RelabelRolloutBuffer(RolloutBuffer):
    """SB3's rollout buffer with the learned reward of the whole rollout added in one batch."""

    def __init__(self, *args: Any, relabel: Relabeller, **kwargs: Any) -> None:
        self._relabel = relabel
        super().__init__(*args, **kwargs)

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: Array) -> None:
        _add_learned(self, self._relabel, dones)
        super().compute_returns_and_advantage(last_values, dones)


class RelabelDictRolloutBuffer(DictRolloutBuffer):
    """The same for Dict observations."""

    def __init__(self, *args: Any, relabel: Relabeller, **kwargs: Any) -> None:
        self._relabel = relabel
        super().__init__(*args, **kwargs)

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: Array) -> None:
        _add_learned(self, self._relabel, dones)
        super().compute_returns_and_advantage(last_values, dones)
