"""ArmPush: a two-link arm pushes a block across a table to a goal; torques in, everything named out.

Block and goal lie on joints of their own, so that a recorded state shows them; where they are is computed from the
state's numbers.
"""

from __future__ import annotations

import numpy as np

from prefrl_envs.task import Array, Named, Quantity, State, Task, TaskEnv

LINKS = np.array([0.2, 0.2])  # m; lengths, as in assets/armpush.xml
GEAR = 2.0  # N m of torque for an action of 1
DT = 0.1  # s
NEAR = 0.04  # m; a block this close to the goal is there
BEHIND = 0.07  # m; from the block's middle to the fingertip that pushes it
START, PUSH = (0.16, 0.24), (0.06, 0.12)  # m; ranges of the block's distance from the base and from the goal


def initial(rng: np.random.Generator, rest: State) -> State:
    """The arm folded to one side, the block in front, the goal further out, in any direction up to 45 degrees off."""
    n = len(rest.qpos)
    qpos, qvel = rest.qpos.copy(), rest.qvel.copy()
    qpos[:, 0] = rng.uniform(-2.2, -1.8, n)
    qpos[:, 1] = rng.uniform(1.9, 2.3, n)
    angle, radius = rng.uniform(-0.6, 0.6, n), rng.uniform(*START, n)
    block = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    towards, far = angle + rng.uniform(-np.pi / 4, np.pi / 4, n), rng.uniform(*PUSH, n)
    qpos[:, 2:4] = block
    qpos[:, 4] = rng.uniform(-np.pi / 4, np.pi / 4, n)
    qpos[:, 5:7] = block + far[:, None] * np.stack([np.cos(towards), np.sin(towards)], axis=1)
    qvel[:, :2] = rng.uniform(-0.1, 0.1, (n, 2))
    return State(qpos, qvel)


def fingertip(state: State) -> Array:
    """Position (B, 2) in the plane of the table, by the arm's geometry."""
    turns = state.qpos[:, :2].cumsum(1)
    return np.stack([np.cos(turns) @ LINKS, np.sin(turns) @ LINKS], axis=1)


def to_goal(state: State) -> Array:
    """Way (B, 2) from the block's middle to the goal."""
    return state.qpos[:, 5:7] - state.qpos[:, 2:4]


def spot(state: State) -> Array:
    """Where (B, 2) the fingertip has to be to push the block straight to the goal."""
    way = to_goal(state)
    return state.qpos[:, 2:4] - BEHIND * way / np.maximum(_length(way), 0.01)[:, None]


def distance(state: State) -> Array:
    """From block to goal (B,), in metres."""
    return _length(to_goal(state))


def _length(vectors: Array) -> Array:
    return np.hypot(vectors[:, 0], vectors[:, 1])


def observe(state: State) -> Array:
    """Angles without their jump, velocities, and the ways from fingertip to block, pushing spot and goal."""
    angles, block, turn = state.qpos[:, :2], state.qpos[:, 2:4], state.qpos[:, 4:5]
    tip = fingertip(state)
    return np.concatenate(
        [
            np.cos(angles), np.sin(angles), state.qvel[:, :2], tip, block, block - tip, to_goal(state),
            np.cos(4 * turn), np.sin(4 * turn), state.qvel[:, 2:5],
        ],
        axis=1,
    )  # fmt: skip


def rewards(_: State, action: Array, after: State) -> Named:
    """Decimetres to go, being there, the fingertip not being behind the block, and a little for using the motors."""
    off = _length(fingertip(after) - spot(after))
    return {
        "near": -10 * distance(after),
        "there": success(after).astype(float),
        "behind": -3 * off,
        "control": -0.02 * np.square(action).sum(1),
    }


def measure(before: State, action: Array, after: State) -> Named:
    """The factors that `TASK` describes."""
    tip, block = fingertip(after), after.qpos[:, 2:4]
    return {
        "distance": distance(after),
        "off_line": _length(tip - spot(after)),
        "control_effort": np.square(action).sum(1),
        "fingertip_speed": _length(tip - fingertip(before)) / DT,
        "block_speed": _length(block - before.qpos[:, 2:4]) / DT,
        "block_turning": np.abs(after.qpos[:, 4] - before.qpos[:, 4]) / DT,
        "gap": _length(tip - block),
        "extension": _length(tip),
    }


def charge(before: State, action: Array, after: State) -> Named:
    """Work of the motors, by the mean of the joints' speeds before and after."""
    power = GEAR * np.abs(action * (before.qvel[:, :2] + after.qvel[:, :2]) / 2).sum(1)
    return {"energy": power * DT}


def success(state: State) -> Array:
    """Whether the block is at the goal."""
    return distance(state) < NEAR


TASK = Task(
    model="armpush.xml",
    text="Push the brown block onto the green goal with the arm's fingertip, leave it there, and use little torque.",
    camera="above",
    frame_skip=10,
    observations=(
        "cosine of the shoulder angle [1]",
        "cosine of the elbow angle [1]",
        "sine of the shoulder angle [1]",
        "sine of the elbow angle [1]",
        "shoulder velocity [rad/s]",
        "elbow velocity [rad/s]",
        "fingertip x [m]",
        "fingertip y [m]",
        "block x [m]",
        "block y [m]",
        "block minus fingertip x [m]",
        "block minus fingertip y [m]",
        "goal minus block x [m]",
        "goal minus block y [m]",
        "cosine of four times the block's turn [1]",
        "sine of four times the block's turn [1]",
        "block x velocity [m/s]",
        "block y velocity [m/s]",
        "block turning velocity [rad/s]",
    ),
    factors={
        "distance": Quantity("m", "from the block to the goal", privileged=True),
        "off_line": Quantity("m", "from the fingertip to where it would push the block to the goal", privileged=True),
        "control_effort": Quantity("1", "sum of squared actions", privileged=True, motion=True),
        "fingertip_speed": Quantity("m/s", "how fast the fingertip moves", motion=True),
        "block_speed": Quantity("m/s", "how fast the block moves", motion=True),
        "block_turning": Quantity("rad/s", "how fast the block turns, either way", motion=True),
        "gap": Quantity("m", "from the fingertip to the block's middle; about 0.06 touches"),
        "extension": Quantity("m", "from the base to the fingertip; 0.4 is a straight arm"),
    },
    costs={"energy": Quantity("J", "mechanical work of both motors in this step, never recovered")},
    initial=initial,
    observe=observe,
    rewards=rewards,
    measure=measure,
    charge=charge,
    success=success,
)


class ArmPushEnv(TaskEnv):
    """`prefrl_envs:ArmPush-v0`, 50 steps of 0.1 s."""

    task = TASK
    metadata = TASK.metadata(fps=10)
