"""Planar bodies that run: states of a torso (x, height, pitch) on legs of hip, knee and ankle in, what they do out.

Positions are x and height of the torso's middle [m], its pitch (leaning back is positive), then hip, knee and ankle of
each leg [rad]; all zero but the height is standing straight.
"""

from __future__ import annotations

import numpy as np

from prefrl_envs.task import Array, Named, Quantity, State

DT = 0.025  # s; 5 simulated steps of 0.005
HIP, THIGH, SHIN = 0.2, 0.4, 0.42  # m; torso's middle to hip, lengths; as in assets/{hopper,walker}.xml
FALLEN = 0.75  # m; a torso this low has fallen
REST_HEIGHT = 1.07  # m
JOINTS = ("hip", "knee", "ankle")


def initial(rng: np.random.Generator, rest: State) -> State:
    """Standing with bent legs, disturbed a little; x starts at 0, so that it is the distance covered."""
    bent = np.tile([0.35, -0.7, 0.35], rest.qpos.shape[1] // 3 - 1)
    qpos, qvel = rest.qpos.copy(), rest.qvel.copy()
    qpos[:, 1] -= 0.05
    qpos[:, 3:] += bent
    qpos[:, 1:] += rng.uniform(-0.01, 0.01, qpos[:, 1:].shape)
    return State(qpos, qvel + rng.uniform(-0.05, 0.05, qvel.shape))


def observe(state: State) -> Array:
    """Everything but x: running looks the same everywhere."""
    return np.concatenate([state.qpos[:, 1:], state.qvel], axis=1)


def observations(joints: tuple[str, ...]) -> tuple[str, ...]:
    """Names of what `observe` returns."""
    return (
        "torso height [m]",
        "torso pitch, leaning back [rad]",
        *(f"{joint} angle [rad]" for joint in joints),
        "torso forward velocity [m/s]",
        "torso upward velocity [m/s]",
        "torso pitch rate [rad/s]",
        *(f"{joint} velocity [rad/s]" for joint in joints),
    )


def x_velocity(before: State, after: State) -> Array:
    """Mean over the step (B,), in m/s."""
    return (after.qpos[:, 0] - before.qpos[:, 0]) / DT


def feet(state: State, points: tuple[float, ...]) -> tuple[Array, Array]:
    """Where `points` of each foot are: (B, legs, points) x from the torso's middle and height above the floor.

    Points are metres in front of the ankle along the foot.
    """
    turns = np.empty((len(state.qpos), state.qpos.shape[1] // 3 - 1, 4))
    turns[:, :, 0] = state.qpos[:, 2:3]
    turns[:, :, 1:] = state.qpos[:, 3:].reshape(len(turns), -1, 3)
    turns = turns.cumsum(2)
    down = np.array([HIP, THIGH, SHIN])
    sin, cos, along = np.sin(turns), np.cos(turns), np.asarray(points)
    x = (sin[..., :3] @ down)[..., None] + cos[..., 3:] * along
    z = state.qpos[:, 1, None, None] - (cos[..., :3] @ down)[..., None] + sin[..., 3:] * along
    return x, z


def moving(before: State, action: Array, after: State) -> Named:
    """The factors that `TORSO` describes."""
    return {
        "x_velocity": x_velocity(before, after),
        "control_effort": np.square(action).sum(1),
        "torso_height": after.qpos[:, 1],
        "vertical_speed": np.abs(after.qpos[:, 1] - before.qpos[:, 1]) / DT,
        "torso_pitch": after.qpos[:, 2],
        "pitch_rate": after.qvel[:, 2],
    }


TORSO = {
    "x_velocity": Quantity("m/s", "forward speed of the torso", privileged=True, motion=True),
    "control_effort": Quantity("1", "sum of squared actions", privileged=True, motion=True),
    "torso_height": Quantity("m", "of the torso's middle above the floor; 1.07 stands straight"),
    "vertical_speed": Quantity("m/s", "how fast the torso moves up or down", motion=True),
    "torso_pitch": Quantity("rad", "leaning back is positive"),
    "pitch_rate": Quantity("rad/s", "how fast the torso pitches, backwards is positive", motion=True),
}


def work(gear: Array, before: State, action: Array, after: State) -> Named:
    """Work of the motors, by the mean of the joints' speeds before and after."""
    power = np.abs(gear * action * (before.qvel[:, 3:] + after.qvel[:, 3:]) / 2).sum(1)
    return {"energy": power * DT}


COSTS = {"energy": Quantity("J", "mechanical work of all motors in this step, never recovered")}
