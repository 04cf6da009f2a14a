"""An environment in, one whose observations end with whom the policy serves out.

The latent of a user is drawn from a standard normal at each reset, as the prior of the `users` reward model is, so that a
policy learns to serve anybody; `reset(options={"user": z})` says whom.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from prefrl.errors import ConfigError
from prefrl.types import Array

STREAM = 7_919  # keeps the users' draws apart from the task's own under the same seed


class Served(gym.Wrapper[Any, Any, Any, Any]):
    """Appends the latent (width,) of one user, the same for a whole episode."""

    def __init__(self, env: gym.Env[Any, Any], width: int) -> None:
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise ConfigError(
                f"env.user: needs observations in one row, and '{env.spec.id if env.spec else env}' has {space}; set it to 0."
            )
        free = np.full(width, np.inf, space.dtype)
        self.observation_space = spaces.Box(
            np.concatenate([space.low, -free]), np.concatenate([space.high, free]), dtype=space.dtype.type
        )
        self.user_width = width
        self.user = np.zeros(width)
        self.user_rng = np.random.default_rng(STREAM)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        options = dict(options or {})
        given = options.pop("user", None)
        if seed is not None:
            self.user_rng = np.random.default_rng([STREAM, seed])
        self.user = self.user_rng.standard_normal(self.user_width) if given is None else np.asarray(given, float)
        obs, info = self.env.reset(seed=seed, options=options or None)
        return self._addressed(obs), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        return self._addressed(obs), reward, terminated, truncated, info

    def _addressed(self, obs: Array) -> Array:
        return np.concatenate([obs, self.user]).astype(obs.dtype)
