"""Cheetah: a planar cheetah runs forward, 1000 steps whatever happens; states and actions in, everything named out.

Nine coordinates: x and height of the torso, its pitch (nose up is positive), then thigh, shin and foot of the back leg
and of the front leg.
"""

from __future__ import annotations

import numpy as np

from prefrl_envs.task import Array, Named, Quantity, State, Task, TaskEnv

DT = 0.05  # s
GEAR = np.array([120.0, 90.0, 60.0, 110.0, 65.0, 35.0])  # N m of torque for an action of 1, as in assets/cheetah.xml
# hip, knee, ankle and toe of the back and the front leg, each relative to the one before it (2, 4) [m]; as in the XML
LEGS_X = np.array([[-0.5, 0.13, -0.2, 0.11], [0.5, -0.13, 0.14, 0.09]])
LEGS_Z = np.array([[0.0, -0.24, -0.22, -0.14], [0.0, -0.23, -0.2, -0.15]])
GOAL = 100.0  # m


def initial(rng: np.random.Generator, rest: State) -> State:
    """Standing, disturbed a little; x starts at 0, so that it is the distance covered."""
    qpos = rest.qpos + rng.uniform(-0.1, 0.1, rest.qpos.shape)
    qpos[:, 0] = 0.0
    return State(qpos, rest.qvel + 0.1 * rng.standard_normal(rest.qvel.shape))


def observe(state: State) -> Array:
    """Everything but x: running looks the same everywhere."""
    return np.concatenate([state.qpos[:, 1:], state.qvel], axis=1)


def x_velocity(before: State, after: State) -> Array:
    """Mean over the step (B,), in m/s."""
    return (after.qpos[:, 0] - before.qpos[:, 0]) / DT


def toe_heights(state: State) -> Array:
    """Heights (B, 2) of the toes' centres above the floor, back first, by geometry; a standing toe is at its radius, 0.05."""
    turns = np.empty((len(state.qpos), 2, 4))
    turns[:, :, 0] = state.qpos[:, 2:3]
    turns[:, :, 1:] = state.qpos[:, 3:].reshape(-1, 2, 3)
    turns = turns.cumsum(2)
    return state.qpos[:, 1:2] + (np.sin(turns) * LEGS_X + np.cos(turns) * LEGS_Z).sum(2)


def rewards(before: State, action: Array, after: State) -> Named:
    """Forward speed, and a little for using the motors."""
    return {"forward": x_velocity(before, after), "control": -0.1 * np.square(action).sum(1)}


def measure(before: State, action: Array, after: State) -> Named:
    """The factors that `TASK` describes."""
    toes = toe_heights(after)
    return {
        "x_velocity": x_velocity(before, after),
        "control_effort": np.square(action).sum(1),
        "torso_height": after.qpos[:, 1],
        "vertical_speed": np.abs(after.qpos[:, 1] - before.qpos[:, 1]) / DT,
        "torso_pitch": after.qpos[:, 2],
        "pitch_rate": after.qvel[:, 2],
        "back_toe_height": toes[:, 0],
        "front_toe_height": toes[:, 1],
    }


def charge(before: State, action: Array, after: State) -> Named:
    """Work of the motors, by the mean of the joints' speeds before and after."""
    power = np.abs(GEAR * action * (before.qvel[:, 3:] + after.qvel[:, 3:]) / 2).sum(1)
    return {"energy": power * DT}


def success(state: State) -> Array:
    """Whether it has come far enough."""
    return state.qpos[:, 0] >= GOAL


_JOINTS = ("back thigh", "back shin", "back foot", "front thigh", "front shin", "front foot")

TASK = Task(
    model="cheetah.xml",
    text="Run forward, to the right, as fast as possible on the feet, without wasting torque or falling over.",
    camera="track",
    frame_skip=5,
    observations=(
        "torso height [m]",
        "torso pitch, nose up [rad]",
        *(f"{joint} angle [rad]" for joint in _JOINTS),
        "torso forward velocity [m/s]",
        "torso upward velocity [m/s]",
        "torso pitch rate [rad/s]",
        *(f"{joint} velocity [rad/s]" for joint in _JOINTS),
    ),
    factors={
        "x_velocity": Quantity("m/s", "forward speed of the torso", privileged=True, motion=True),
        "control_effort": Quantity("1", "sum of squared actions", privileged=True, motion=True),
        "torso_height": Quantity("m", "of the torso's middle above the floor"),
        "vertical_speed": Quantity("m/s", "how fast the torso moves up or down", motion=True),
        "torso_pitch": Quantity("rad", "nose up is positive; beyond 1.6 either way it is on its back"),
        "pitch_rate": Quantity("rad/s", "how fast the torso pitches, nose up is positive", motion=True),
        "back_toe_height": Quantity("m", "of the back toe above the floor; 0.05 when it stands"),
        "front_toe_height": Quantity("m", "of the front toe above the floor; 0.05 when it stands"),
    },
    costs={"energy": Quantity("J", "mechanical work of all motors in this step, never recovered")},
    initial=initial,
    observe=observe,
    rewards=rewards,
    measure=measure,
    charge=charge,
    success=success,
)


class CheetahEnv(TaskEnv):
    """`prefrl_envs:Cheetah-v0`, 1000 steps of 0.05 s."""

    task = TASK
    metadata = TASK.metadata(fps=20)
