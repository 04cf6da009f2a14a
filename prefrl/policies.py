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
from stable_baselines3.common.vec_env import VecNormalize

from prefrl.errors import RunError
from prefrl.rollout.environments import flat_shape
from prefrl.types import Array


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
        policy: Any = self._model.policy
        with torch.no_grad():
            prepared = policy.obs_to_tensor(self._prepared(obs))[0]
            actions = torch.as_tensor(action, device=policy.device)
            if hasattr(policy, "evaluate_actions"):
                log_prob = policy.evaluate_actions(prepared, actions)[1]
            elif hasattr(policy.actor, "get_action_dist_params"):  # SAC: actions in [-1, 1], squashed by tanh
                mean, log_std, extra = policy.actor.get_action_dist_params(prepared)
                log_prob = policy.actor.action_dist.proba_distribution(mean, log_std, **extra).log_prob(actions)
            else:
                raise RunError("A TD3 policy is deterministic: its actions have no log-probability; use sac or ppo.")
            return np.asarray(log_prob.cpu().numpy())

    def frozen(self) -> SB3Policy:
        """A copy that further training does not change."""
        model = copy.copy(self._model)
        model.policy = copy.deepcopy(self._model.policy)
        return SB3Policy(model, copy.deepcopy(self._normalize))

    def state_dict(self) -> Mapping[str, Any]:
        """Weights, and the statistics of observations where the policy has them."""
        statistics = None if self._normalize is None else copy.deepcopy(self._normalize.obs_rms)
        return {"weights": self._model.policy.state_dict(), "statistics": statistics}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._model.policy.load_state_dict(state["weights"])
        if self._normalize is not None:
            self._normalize.obs_rms = state["statistics"]

    def save(self, path: Path) -> None:
        """SB3's own zip, and beside it the observation statistics."""
        self._model.save(path)
        if self._normalize is not None:
            self._normalize.save(str(path.with_name("vecnormalize.pkl")))

    def _prepared(self, obs: Array) -> Any:
        """Recorded observations as the policy expects them: unflattened where the space is a Dict, then normalised."""
        space = self._model.observation_space
        prepared: Any
        if isinstance(space, spaces.Dict):
            rows: list[Any] = [spaces.unflatten(space, row) for row in obs]
            prepared = {key: np.stack([row[key] for row in rows]) for key in space.spaces}
        else:  # a Discrete observation is recorded as an array of one
            prepared = np.reshape(obs, (len(obs), *(space.shape or ())))
        return prepared if self._normalize is None else self._normalize.normalize_obs(prepared)


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
