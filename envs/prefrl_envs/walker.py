"""Walker: a body on two legs walks or runs forward and must not fall; states and actions in, everything named out."""

from __future__ import annotations

import numpy as np

from prefrl_envs import planar
from prefrl_envs.task import Array, Named, Quantity, State, Task, TaskEnv

# N m of torque for an action of 1: hip, knee and ankle of the left and of the right leg, as in assets/walker.xml
GEAR = np.array([60.0, 60.0, 30.0] * 2)
FOOT = (-0.07, 0.16)  # m; heel and toe in front of the ankle
LEAN = 0.9  # rad; leaning further either way is falling
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


def measure(before: State, action: Array, after: State) -> Named:
    """The factors that `TASK` describes."""
    x, z = planar.feet(after, FOOT)
    middle, low = x.mean(2), z.min(2)
    return {
        **planar.moving(before, action, after),
        "left_foot_height": low[:, 0],
        "right_foot_height": low[:, 1],
        "stride": middle[:, 0] - middle[:, 1],
    }


def charge(before: State, action: Array, after: State) -> Named:
    """Work of the motors."""
    return planar.work(GEAR, before, action, after)


def success(state: State) -> Array:
    """Whether it has come far enough."""
    return state.qpos[:, 0] >= GOAL


TASK = Task(
    model="walker.xml",
    text="Walk forward, to the right, as fast as possible, one leg after the other, without falling or wasting torque.",
    camera="track",
    frame_skip=5,
    observations=planar.observations(tuple(f"{side} {joint}" for side in ("left", "right") for joint in planar.JOINTS)),
    factors={
        **planar.TORSO,
        "left_foot_height": Quantity("m", "of the lower end of the left foot above the floor; 0.05 when it stands"),
        "right_foot_height": Quantity("m", "of the lower end of the right foot above the floor; 0.05 when it stands"),
        "stride": Quantity("m", "of the left foot in front of the right one"),
    },
    costs=planar.COSTS,
    initial=planar.initial,
    observe=planar.observe,
    rewards=rewards,
    measure=measure,
    charge=charge,
    success=success,
    terminal=fallen,
)


class WalkerEnv(TaskEnv):
    """`prefrl_envs:Walker-v0`, 500 steps of 0.025 s or until it falls."""

    task = TASK
    metadata = TASK.metadata(fps=40)
