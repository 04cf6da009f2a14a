"""What acts: SB3 policies behind one protocol (act, log_prob, save) that takes raw observations."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor, nn

from prefrl.errors import RunError
from prefrl.rollout.environments import flat_shape
from prefrl.types import Array

Inputs = Tensor | dict[str, Tensor]  # what a network of SB3's takes: one tensor, or one per entry of a Dict
INSIDE = 1 - 1e-6  # the largest action that tanh is inverted at


class SB3Policy:
    """The current policy of an SB3 algorithm; observations are normalised as in training, without updating anything."""

    def __init__(self, model: BaseAlgorithm, normalize: VecNormalize | None) -> None:
        self._model, self._normalize = model, normalize

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of the recorded observations it takes and the actions it gives; a Discrete action has none."""
        return flat_shape(self._model.observation_space), tuple(self._model.action_space.shape or ())

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        actions, _ = self._model.policy.predict(self._prepared(obs), deterministic=deterministic)
        return np.asarray(actions)

    def log_prob(self, obs: Array, action: Array) -> Array:
        with torch.no_grad():
            actions = torch.as_tensor(action, device=self._model.policy.device)
            return np.asarray(self.log_density(self.inputs(obs), actions).cpu().numpy())

    # --- as a differentiable function: what learning from answers needs ---

    @property
    def network(self) -> nn.Module:
        """Its weights."""
        return self._model.policy

    def inputs(self, obs: Array) -> Inputs:
        """Recorded observations (N, *obs_shape) as the network takes them."""
        inputs: Inputs = self._model.policy.obs_to_tensor(self._prepared(obs))[0]
        return inputs

    def own_actions(self, action: Array) -> Tensor:
        """Executed actions (N, *action_shape) as the policy means them: within [-1, 1] where it squashes its own."""
        policy = self._model.policy
        if policy.squash_output:
            action = np.clip(policy.scale_action(np.asarray(action)), -INSIDE, INSIDE)
        return torch.as_tensor(action, device=policy.device)

    def log_density(self, inputs: Inputs, actions: Tensor) -> Tensor:
        """(N,) log-densities of its own actions (N, *action_shape)."""
        density: Tensor = self._distribution(inputs).log_prob(actions)
        return density

    def mode(self, inputs: Inputs) -> Tensor:
        """(N, *action_shape) its own deterministic actions."""
        policy: Any = self._model.policy
        acted: Tensor = policy.actor(inputs) if _deterministic(policy) else self._distribution(inputs).mode()
        return acted

    def _distribution(self, inputs: Inputs) -> Distribution:
        policy: Any = self._model.policy
        if _deterministic(policy):
            raise RunError("A TD3 policy is deterministic: its actions have no log-probability; use sac or ppo.")
        if hasattr(policy, "get_distribution"):
            distribution: Distribution = policy.get_distribution(inputs)
            return distribution
        mean, log_std, extra = policy.actor.get_action_dist_params(inputs)  # SAC: squashed by tanh
        squashed: Distribution = policy.actor.action_dist.proba_distribution(mean, log_std, **extra)
        return squashed

    @torch.no_grad()
    def advantage(self, obs: Array, action: Array, samples: int) -> Array:
        """(N,) Q(s, a) - V(s) of executed actions by its critics' minimum; V is the mean over `samples` actions of its own."""
        policy: Any = self._model.policy
        if not hasattr(policy, "critic"):
            raise RunError("A PPO policy has no critic of actions, so that it cannot say what one was worth; use sac.")
        inputs, worth = self.inputs(obs), []
        with torch.random.fork_rng(devices=[]):  # the same clip is worth the same, whoever drew numbers before
            torch.manual_seed(0)
            for _ in range(1 if _deterministic(policy) else samples):
                own = self.mode(inputs) if _deterministic(policy) else self._distribution(inputs).sample()
                worth.append(self._value(inputs, own))
        advantage = self._value(inputs, self.own_actions(action).float()) - torch.stack(worth).mean(0)
        return np.asarray(advantage.cpu().numpy(), np.float64)

    def _value(self, inputs: Inputs, actions: Tensor) -> Tensor:
        """(N,) the critics' minimum."""
        critic: Any = self._model.policy.critic
        return torch.cat(critic(inputs, actions), dim=1).min(dim=1).values

    def observe(self, obs: Array) -> None:
        """Normalise by the mean and variance of `obs` (N, *obs_shape) from now on, where it normalises at all."""
        if self._normalize is None:
            return
        seen = self._unflattened(obs)
        statistics: Any = self._normalize.obs_rms
        for key, each in statistics.items() if isinstance(seen, dict) else [(None, statistics)]:
            values = np.asarray(seen if key is None else seen[key], np.float64)
            each.mean, each.var, each.count = values.mean(0), values.var(0), float(len(values))

    def frozen(self) -> SB3Policy:
        """A copy that further training does not change."""
        model = copy.copy(self._model)
        model.policy = copy.deepcopy(self._model.policy)
        return SB3Policy(model, copy.deepcopy(self._normalize))

    def state_dict(self) -> Mapping[str, Any]:
        """Weights, and the statistics of observations where the policy has them."""
        statistics = None if self._normalize is None else moments(self._normalize.obs_rms)
        return {"weights": self._model.policy.state_dict(), "statistics": statistics}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._model.policy.load_state_dict(state["weights"])
        if self._normalize is not None:
            set_moments(self._normalize.obs_rms, state["statistics"])

    def save(self, path: Path) -> None:
        """SB3's own zip, and beside it the observation statistics, under the names of SB3's CheckpointCallback."""
        self._model.save(path)
        if self._normalize is not None:
            self._normalize.save(str(beside(path)))

    def _prepared(self, obs: Array) -> Any:
        """Recorded observations as the policy expects them: unflattened where the space is a Dict, then normalised."""
        prepared = self._unflattened(obs)
        return prepared if self._normalize is None else self._normalize.normalize_obs(prepared)

    def _unflattened(self, obs: Array) -> Any:
        space = self._model.observation_space
        if isinstance(space, spaces.Dict):
            rows: list[Any] = [spaces.unflatten(space, row) for row in obs]
            return {key: np.stack([row[key] for row in rows]) for key in space.spaces}
        shape = len(obs), *(space.shape or ())  # a Discrete observation is recorded as an array of one
        return np.reshape(obs, shape)


def _deterministic(policy: Any) -> bool:
    """TD3's kind: an actor without a distribution."""
    return hasattr(policy, "actor") and not hasattr(policy.actor, "get_action_dist_params")


class RandomPolicy:
    """Uniformly random actions: the random arm."""

    def __init__(self, space: spaces.Space[Any], seed: int) -> None:
        self._space = space
        self._space.seed(seed)

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        return np.stack([self._space.sample() for _ in range(len(obs))])

    def log_prob(self, obs: Array, action: Array) -> Array:
        space = self._space
        volume = np.prod(space.high - space.low) if isinstance(space, spaces.Box) else getattr(space, "n", 1)
        return np.full(len(obs), -np.log(volume))

    def save(self, path: Path) -> None:
        """Nothing to save."""


def beside(model: Path) -> Path:
    """Where the observation statistics of a saved policy lie: model.zip, rl_model_<n>_steps.zip."""
    checkpoint = model.name.startswith("rl_model_")
    name = f"{model.stem.replace('model', 'model_vecnormalize', 1)}.pkl" if checkpoint else "vecnormalize.pkl"
    return model.with_name(name)


def moments(statistics: RunningMeanStd | Mapping[str, RunningMeanStd]) -> dict[str, Any]:
    """A copy of SB3's running statistics, of each entry where there are several, as plain values."""
    if isinstance(statistics, Mapping):
        return {key: moments(each) for key, each in statistics.items()}
    return {name: copy.copy(getattr(statistics, name)) for name in ("mean", "var", "count")}


def set_moments(statistics: RunningMeanStd | Mapping[str, RunningMeanStd], state: Mapping[str, Any]) -> None:
    """The inverse of `moments`."""
    for name, value in state.items():
        if isinstance(statistics, Mapping):
            set_moments(statistics[name], value)
        else:
            setattr(statistics, name, copy.copy(value))


class ForUser:
    """A policy that was trained for many, acting for one: the end of each observation says whom."""

    def __init__(self, policy: Any, latent: Array) -> None:
        self._policy, self._latent = policy, np.asarray(latent)

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        return np.asarray(self._policy.act(self._addressed(obs), deterministic))

    def log_prob(self, obs: Array, action: Array) -> Array:
        return np.asarray(self._policy.log_prob(self._addressed(obs), action))

    def save(self, path: Path) -> None:
        """The policy that serves everybody."""
        self._policy.save(path)

    def _addressed(self, obs: Array) -> Array:
        served = np.asarray(obs).copy()
        served[:, -len(self._latent) :] = self._latent
        return served
