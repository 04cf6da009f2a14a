"""What acts: SB3 policies behind one protocol (act, log_prob, save) that takes raw observations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from prefrl.types import Array


class SB3Policy:
    """The current policy of an SB3 algorithm; observations are normalised as in training, without updating anything."""

    def __init__(self, model: BaseAlgorithm, normalize: VecNormalize | None) -> None:
        self._model, self._normalize = model, normalize

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        actions, _ = self._model.policy.predict(self._prepared(obs), deterministic=deterministic)
        return np.asarray(actions)

    def log_prob(self, obs: Array, action: Array) -> Array:
        policy: Any = self._model.policy
        with torch.no_grad():
            prepared = policy.obs_to_tensor(self._prepared(obs))[0]
            actions = torch.as_tensor(action, device=policy.device)
            return np.asarray(policy.evaluate_actions(prepared, actions)[1].cpu().numpy())

    def save(self, path: Path) -> None:
        """SB3's own zip, and beside it the observation statistics."""
        self._model.save(path)
        if self._normalize is not None:
            self._normalize.save(str(path.with_name("vecnormalize.pkl")))

    def _prepared(self, obs: Array) -> Any:
        """Recorded observations as the policy expects them: unflattened where the space is a Dict, then normalised."""
        space = self._model.observation_space
        prepared: Any = obs
        if isinstance(space, spaces.Dict):
            rows: list[Any] = [spaces.unflatten(space, row) for row in obs]
            prepared = {key: np.stack([row[key] for row in rows]) for key in space.spaces}
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
