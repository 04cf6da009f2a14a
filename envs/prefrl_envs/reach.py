"""Reach: a two-link arm on a table holds its fingertip at a target; positions and velocities in, everything named out.

The target is part of the simulated state (two slide joints without force), so that a recorded state shows it.
"""

from __future__ import annotations

import numpy as np

from prefrl_envs.task import Array, Named, Quantity, State, Task, TaskEnv

LINKS = np.array([0.12, 0.12])  # m; lengths, as in assets/reach.xml
GEAR = 0.5  # N m of torque for an action of 1
DT = 0.04  # s
NEAR = 0.02  # m; a fingertip this close has reached its target
TARGETS = (0.06, 0.22)  # m; range of the target's distance from the base


def initial(rng: np.random.Generator, rest: State) -> State:
    """Any bent elbow, the arm and the target to the front (positive x), the target uniform over half a ring in reach."""
    n = len(rest.qpos)
    qpos, qvel = rest.qpos.copy(), rest.qvel.copy()
    qpos[:, 0] = rng.uniform(-2.0, 1.0, n)
    qpos[:, 1] = rng.uniform(0.3, 2.5, n)
    angle = rng.uniform(-np.pi / 2, np.pi / 2, n)
    radius = np.sqrt(rng.uniform(TARGETS[0] ** 2, TARGETS[1] ** 2, n))
    qpos[:, 2], qpos[:, 3] = radius * np.cos(angle), radius * np.sin(angle)
    qvel[:, :2] = rng.uniform(-0.1, 0.1, (n, 2))
    return State(qpos, qvel)


def fingertip(state: State) -> Array:
    """Position (B, 2) in the plane of the table, by the arm's geometry."""
    turns = state.qpos[:, :2].cumsum(1)
    return np.stack([np.cos(turns) @ LINKS, np.sin(turns) @ LINKS], axis=1)


def distance(state: State) -> Array:
    """From fingertip to target (B,), in metres."""
    return _length(fingertip(state) - state.qpos[:, 2:4])


def _length(vectors: Array) -> Array:
    return np.hypot(vectors[:, 0], vectors[:, 1])


def observe(state: State) -> Array:
    """Angles without their jump, velocities, the target and the way to it."""
    angles, target = state.qpos[:, :2], state.qpos[:, 2:4]
    return np.concatenate(
        [np.cos(angles), np.sin(angles), state.qvel[:, :2], target, fingertip(state) - target], axis=1
    )


def rewards(_: State, action: Array, after: State) -> Named:
    """Distance in arm lengths, so that rewards are of order one, and a little for using the motors."""
    return {"near": -distance(after) / LINKS.sum(), "control": -0.05 * np.square(action).sum(1)}


def measure(before: State, action: Array, after: State) -> Named:
    """The factors that `TASK` describes."""
    tip, speeds = fingertip(after), after.qvel[:, :2]
    return {
        "distance": distance(after),
        "control_effort": np.square(action).sum(1),
        "fingertip_speed": _length(tip - fingertip(before)) / DT,
        "extension": _length(tip),
        "elbow_angle": after.qpos[:, 1],
        "elbow_speed": np.abs(speeds[:, 1]),
    }


def charge(before: State, action: Array, after: State) -> Named:
    """Work of the motors, by the mean of the joints' speeds before and after."""
    power = GEAR * np.abs(action * (before.qvel[:, :2] + after.qvel[:, :2]) / 2).sum(1)
    return {"energy": power * DT}


def success(state: State) -> Array:
    """Whether the fingertip is at the target."""
    return distance(state) < NEAR


TASK = Task(
    model="reach.xml",
    text="Move the fingertip of the two-link arm onto the red target quickly, hold it there, and use little torque.",
    camera="above",
    frame_skip=4,
    observations=(
        "cosine of the shoulder angle [1]",
        "cosine of the elbow angle [1]",
        "sine of the shoulder angle [1]",
        "sine of the elbow angle [1]",
        "shoulder velocity [rad/s]",
        "elbow velocity [rad/s]",
        "target x [m]",
        "target y [m]",
        "fingertip minus target x [m]",
        "fingertip minus target y [m]",
    ),
    factors={
        "distance": Quantity("m", "from the fingertip to the target", privileged=True),
        "control_effort": Quantity("1", "sum of squared actions", privileged=True, motion=True),
        "fingertip_speed": Quantity("m/s", "how fast the fingertip moves", motion=True),
        "extension": Quantity("m", "from the base to the fingertip; 0.24 is a straight arm"),
        "elbow_angle": Quantity("rad", "0 is a straight arm, 2.7 is folded"),
        "elbow_speed": Quantity("rad/s", "how fast the elbow turns, either way", motion=True),
    },
    costs={"energy": Quantity("J", "mechanical work of both motors in this step, never recovered")},
    initial=initial,
    observe=observe,
    rewards=rewards,
    measure=measure,
    charge=charge,
    success=success,
)


class ReachEnv(TaskEnv):
    """`prefrl_envs:Reach-v0`, 50 steps of 0.04 s."""

    task = TASK
    metadata = TASK.metadata(fps=25)
