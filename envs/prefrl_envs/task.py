"""Functions of batched MuJoCo states come in (`Task`); a Gymnasium environment that calls them with one state goes out.

B states are evaluated together and nothing here or in a task reads an `MjData`, so that the same functions serve one
environment, many threads or recorded states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import mujoco
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.spaces import Box
from numpy.typing import NDArray

Array = NDArray[Any]
Named = dict[str, Array]  # name -> (B,)

ASSETS = Path(__file__).parent / "assets"
OBS_LIMIT = 100.0  # observations are clipped to it, far outside of what the tasks reach, to give them finite bounds


class State(NamedTuple):
    """Generalised positions (B, nq) and velocities (B, nv) of B simulations."""

    qpos: Array
    qvel: Array


@dataclass(frozen=True)
class Quantity:
    """What a factor or a cost means. Privileged: it gives a term of the designed reward away, alone or with others."""

    unit: str
    summary: str
    privileged: bool = False
    motion: bool = False  # it is 0 whenever nothing moves and nothing pushes


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task. The functions take states before and after a step and the action (B, nu) in [-1, 1] between them."""

    model: str  # file name under assets/
    text: str  # what the robot should do, for people and language models
    camera: str
    frame_skip: int
    observations: tuple[str, ...]  # "name [unit]" of each entry
    factors: Mapping[str, Quantity]
    costs: Mapping[str, Quantity]
    initial: Callable[[np.random.Generator, State], State]  # the model's rest state, repeated B times -> where to begin
    observe: Callable[[State], Array]  # -> (B, len(observations))
    rewards: Callable[[State, Array, State], Named]  # terms of the designed reward, which is their sum
    measure: Callable[[State, Array, State], Named]  # the factors
    charge: Callable[[State, Array, State], Named]  # the costs, per step
    success: Callable[[State], Array] | None = None  # -> (B,) bool, of the state after a step
    terminal: Callable[[State], Array] | None = None  # -> (B,) bool: the episode ends there; None: it never does

    def metadata(self, fps: int) -> dict[str, Any]:
        """What a Gymnasium environment of this task declares of itself."""
        return {
            "render_modes": ["human", "rgb_array", "depth_array", "rgbd_tuple"],
            "render_fps": fps,
            "prefrl": {
                "task": self.text,
                "factors": {
                    name: {"unit": q.unit, "privileged": q.privileged, "summary": q.summary, "motion": q.motion}
                    for name, q in self.factors.items()
                },
                "costs": {name: {"unit": q.unit, "summary": q.summary} for name, q in self.costs.items()},
                "observations": list(self.observations),
                "camera": self.camera,
            },
        }


class TaskEnv(MujocoEnv):
    """A `Task` as a Gymnasium environment; the time limit is Gymnasium's.

    With `terminate_when_unhealthy` False it goes on from terminal states; for a task that has none nothing changes.
    """

    task: ClassVar[Task]

    def __init__(self, terminate_when_unhealthy: bool = True, **kwargs: Any) -> None:
        self._terminal = self.task.terminal if terminate_when_unhealthy else None
        size = len(self.task.observations)
        space = Box(-OBS_LIMIT, OBS_LIMIT, (size,), np.float64)
        kwargs = {"camera_name": self.task.camera, **kwargs}
        super().__init__(str(ASSETS / self.task.model), self.task.frame_skip, space, **kwargs)

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        action = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        before = self._state()
        self.data.ctrl[:] = action
        mujoco.mj_step(self.model, self.data, nstep=self.frame_skip)
        after = self._state()
        moved = before, action[None], after
        reward = float(sum(_first(self.task.rewards(*moved)).values()))
        info: dict[str, Any] = {
            "factors": _first(self.task.measure(*moved)),
            "costs": _first(self.task.charge(*moved)),
        }
        if self.task.success is not None:
            info["success"] = bool(self.task.success(after)[0])
        if self.render_mode == "human":
            self.render()
        terminated = self._terminal is not None and bool(self._terminal(after)[0])
        return self._observation(after), reward, terminated, False, info

    def reset_model(self) -> Array:
        start = self.task.initial(self.np_random, State(self.init_qpos[None], self.init_qvel[None]))
        self.set_state(start.qpos[0], start.qvel[0])
        return self._observation(self._state())

    def _state(self) -> State:
        return State(self.data.qpos[None].copy(), self.data.qvel[None].copy())

    def _observation(self, state: State) -> Array:
        return np.clip(self.task.observe(state)[0], -OBS_LIMIT, OBS_LIMIT)


def _first(values: Named) -> dict[str, float]:
    return {name: float(value[0]) for name, value in values.items()}
