"""Hopper: a body on one leg hops forward and must not fall; states and actions in, everything named out."""

from __future__ import annotations

import numpy as np

from prefrl_envs import planar
from prefrl_envs.task import Array, Named, Quantity, State, Task, TaskEnv

GEAR = np.array([50.0, 80.0, 35.0])  # N m of torque for an action of 1, as in assets/hopper.xml
FOOT = (-0.13, 0.22)  # m; heel and toe in front of the ankle
LEAN = 0.5  # rad; leaning further either way is falling
GOAL = 12.0  # m


def fallen(state: State) -> Array:
    """Whether the torso is low or leans far."""
    return (state.qpos[:, 1] < planar.FALLEN) | (np.abs(state.qpos[:, 2]) > LEAN)


def rewards(before: State, action: Array, after: State) -> Named:
    """Forward speed, being up, and a little for using the motors."""
    return {
        "forward": planar.x_velocity(before, after),
        "up": 1.0 - fallen(after),
        "control": -0.01 * np.square(action).sum(1),
    }


def leg(after: State) -> Named:
    """The factors that `LEG` describes."""
    x, z = planar.feet(after, FOOT)
    return {"foot_height": z[:, 0].min(1), "foot_ahead": x[:, 0].mean(1), "knee_angle": after.qpos[:, 4]}


LEG = {
    "foot_height": Quantity("m", "of the lower end of the foot above the floor; 0.05 when it stands"),
    "foot_ahead": Quantity("m", "of the middle of the foot in front of the torso"),
    "knee_angle": Quantity("rad", "0 is a straight leg, -2.3 is folded"),
}


def measure(before: State, action: Array, after: State) -> Named:
    """The factors that `TASK` describes."""
    return {**planar.moving(before, action, after), **leg(after)}


def charge(before: State, action: Array, after: State) -> Named:
    """Work of the motors."""
    return planar.work(GEAR, before, action, after)


def success(state: State) -> Array:
    """Whether it has come far enough."""
    return state.qpos[:, 0] >= GOAL


TASK = Task(
    model="hopper.xml",
    text="Hop forward, to the right, as fast as possible on the one leg, without falling and without wasting torque.",
    camera="track",
    frame_skip=5,
    observations=planar.observations(planar.JOINTS),
    factors={**planar.TORSO, **LEG},
    costs=planar.COSTS,
    initial=planar.initial,
    observe=planar.observe,
    rewards=rewards,
    measure=measure,
    charge=charge,
    success=success,
    terminal=fallen,
)


class HopperEnv(TaskEnv):
    """`prefrl_envs:PlanarHopper-v0`, 500 steps of 0.025 s or until it falls."""

    task = TASK
    metadata = TASK.metadata(fps=40)
