"""A task with a tempting short-term gain: forces along a line in; downhill pays at once, and ends in a pit, out.

Sliding right from the middle earns 3 per metre, for a metre; behind it lies a pit that costs 1 a step and lets nobody go. To
the left, where the way there pays nothing, lies a pad that earns 0.3 a step.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium import spaces

XML = """
<mujoco>
  <option timestep="0.05"/>
  <worldbody>
    <body>
      <joint name="x" type="slide" axis="1 0 0" damping="5" range="-1.5 1.5" limited="true"/>
      <geom type="sphere" size="0.05" mass="1"/>
    </body>
  </worldbody>
  <actuator><motor joint="x" gear="5" ctrlrange="-1 1"/></actuator>
</mujoco>
"""
PIT, PAD = 1.0, -0.5  # m
SLIDE, FALLEN, RESTING = 3.0, -1.0, 0.3  # per metre, per step, per step


class Pit(gym.Env[Any, Any]):
    """Observes position (m) and velocity (m/s); a step is 0.1 s."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    metadata = {"render_modes": [], "prefrl": {"task": "Earn as much as possible.", "factors": {}}}

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_string(XML)
        self.data = mujoco.MjData(self.model)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[0] = self.np_random.uniform(-0.3, 0.3)
        mujoco.mj_forward(self.model, self.data)
        return self._obs(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        before = float(self.data.qpos[0])
        if before >= PIT:
            self.data.qvel[0] = self.data.ctrl[0] = 0.0
        else:
            self.data.ctrl[0] = float(action[0])
            mujoco.mj_step(self.model, self.data, 2)
        after = float(self.data.qpos[0])
        earned = SLIDE * (min(max(after, 0.0), PIT) - min(max(before, 0.0), PIT))
        if after >= PIT:
            earned += FALLEN
        elif after <= PAD:
            earned += RESTING
        return self._obs(), earned, False, False, {}

    def _obs(self) -> Any:
        return np.concatenate([self.data.qpos, self.data.qvel])


gym.register("Pit-v0", entry_point=Pit, max_episode_steps=40)
