"""A hand-written task with everything a recording holds: factors, a cost, terminal states and a time limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces


class Drift(gym.Env[Any, Any]):
    """A point is pushed about; beyond `border` it is lost."""

    metadata = {
        "render_modes": [],
        "prefrl": {
            "task": "stay near the middle",
            "factors": {"speed": {"unit": "m/s", "privileged": True, "motion": True}, "height": {"privileged": False}},
            "costs": {"energy": {"unit": "J"}},
            "observations": ["position [m]", "height [m]"],
        },
    }
    observation_space = spaces.Box(-10, 10, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, border: float = 1.5, terminate_when_unhealthy: bool = True) -> None:
        self.border = border if terminate_when_unhealthy else np.inf
        self.place = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-0.5, 0.5, 2)
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = self.place + action + 0.1 * self.np_random.normal(size=2)
        info = {
            "factors": {"speed": float(action[0]), "height": float(self.place[1])},
            "costs": {"energy": float(np.square(action).sum())},
        }
        return self.observe(), -float(abs(self.place[0])), bool(abs(self.place[0]) > self.border), False, info

    def observe(self) -> Any:
        return self.place.astype(np.float32)


class Parts(Drift):
    """The same with observations of two parts, whose order in the space is not the order they are given in."""

    observation_space = spaces.Dict(
        {"height": spaces.Box(-10, 10, (1,), np.float32), "position": spaces.Box(-10, 10, (1,), np.float32)}
    )

    def observe(self) -> Any:
        position, height = self.place.astype(np.float32)
        return {"position": np.array([position]), "height": np.array([height])}


class Bare(Drift):
    """The same without a word about itself: numbers of its info are all that is known."""

    metadata: dict[str, Any] = {"render_modes": []}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        *rest, info = super().step(action)
        return *rest, {"speed": info["factors"]["speed"], "note": "text", "lost": bool(rest[2]), "vector": np.zeros(2)}


@pytest.fixture(autouse=True)
def tasks() -> Iterator[None]:
    """Drift-v0, Parts-v0 and Bare-v0, of 7 steps at most."""
    classes = {"Drift-v0": Drift, "Parts-v0": Parts, "Bare-v0": Bare}
    for name, cls in classes.items():
        gym.register(name, entry_point=cls, max_episode_steps=7)
    yield
    for name in classes:
        del gym.registry[name]
