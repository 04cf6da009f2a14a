"""PointMaze: a ball finds its way around two walls to one of four coloured pads; forces in, everything named out.

The goal is part of the simulated state (two slide joints without force: a mark on the pad), so that a recorded state
shows it. The distance is along the shortest way around the walls, computed from their ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from prefrl_envs.task import Array, Named, Quantity, State, Task, TaskEnv

DT = 0.1  # s
GEAR = 8.0  # N for an action of 1, as in assets/pointmaze.xml; so are all lengths below, in m
BALL, WALL = 0.06, 0.03  # radii
INSIDE = 1.0  # of the outer walls' inner faces
NEAR = 0.15  # radius of a pad; a ball this close to the middle has reached it
GOALS = {"red": (-0.78, 0.69), "yellow": (-0.78, 0.0), "green": (0.78, 0.0), "blue": (0.78, -0.69)}
CORRIDORS = np.array([0.69, 0.0, -0.69])  # y of their middle lines
WALLS = np.array([[0.35, -1.03, 0.3], [-0.35, 1.03, -0.3]])  # inner ones: y, x of the fixed end, x of the free end
# where a ball's middle turns around each free end, and how far apart any two of these corners are
CORNERS = np.column_stack([WALLS[:, 2] + np.sign(WALLS[:, 2]) * (BALL + WALL + 0.01), WALLS[:, 0]])
BETWEEN = np.hypot(*(CORNERS[:, None] - CORNERS).T)


def initial(rng: np.random.Generator, rest: State) -> State:
    """The ball anywhere in a corridor and at rest, any pad as its goal."""
    n = len(rest.qpos)
    qpos = rest.qpos.copy()
    qpos[:, 0] = rng.uniform(-0.85, 0.85, n)
    qpos[:, 1] = rng.choice(CORRIDORS, n) + rng.uniform(-0.2, 0.2, n)
    qpos[:, 2:] = np.array(list(GOALS.values()))[rng.integers(len(GOALS), size=n)]
    return State(qpos, rest.qvel.copy())


def goal_name(state: State) -> str:
    """Colour of the pad that the first state marks."""
    apart = {name: np.abs(state.qpos[0, 2:] - place).sum() for name, place in GOALS.items()}
    return min(apart, key=lambda name: apart[name])


def _length(vectors: Array) -> Array:
    return np.hypot(vectors[..., 0], vectors[..., 1])


def straight(a: Array, b: Array) -> Array:
    """Length (...) of the straight way between points (..., 2); infinite where it meets an inner wall."""
    above, below = a[..., 1:] - WALLS[:, 0], b[..., 1:] - WALLS[:, 0]  # (..., walls)
    crosses = above * below < 0
    share = above / np.where(crosses, above - below, 1.0)
    x = a[..., :1] + share * (b[..., :1] - a[..., :1])
    blocked = crosses & ((x - CORNERS[:, 0]) * CORNERS[:, 0] < 0)  # a corner's x has the sign of its gap's side
    return np.where(blocked.any(-1), np.inf, _length(b - a))


def distance(state: State) -> Array:
    """Length (B,) of the shortest way from ball to goal: straight, or around one corner or both."""
    ball, goal = state.qpos[:, None, :2], state.qpos[:, None, 2:4]
    corners = np.broadcast_to(CORNERS, (len(ball), *CORNERS.shape))
    begins = np.concatenate([ball, ball, ball, goal, goal], axis=1)
    ways = straight(begins, np.concatenate([goal, corners, corners], axis=1))
    around = (ways[:, 1:3, None] + BETWEEN + ways[:, None, 3:]).min((1, 2))
    return np.minimum(ways[:, 0], around)


def clearance(state: State) -> Array:
    """Gap (B,) between the ball and the nearest wall."""
    ball = state.qpos[:, :2]
    outer = (INSIDE - np.abs(ball)).min(1)
    ends = np.sort(WALLS[:, 1:], axis=1)
    beside = ball[:, :1] - np.clip(ball[:, :1], ends[:, 0], ends[:, 1])
    inner = np.hypot(beside, ball[:, 1:] - WALLS[:, 0]).min(1) - WALL
    return np.minimum(outer, inner) - BALL


def observe(state: State) -> Array:
    """Where the ball is, how it moves, where the goal is and the straight way there."""
    ball, goal = state.qpos[:, :2], state.qpos[:, 2:4]
    return np.concatenate([ball, state.qvel[:, :2], goal, goal - ball], axis=1)


def rewards(_: State, action: Array, after: State) -> Named:
    """Way to go, being there, and a little for pushing."""
    return {
        "near": -distance(after),
        "there": success(after).astype(float),
        "control": -0.02 * np.square(action).sum(1),
    }


def measure(before: State, action: Array, after: State) -> Named:
    """The factors that `TASK` describes."""
    velocity = after.qvel[:, :2]
    way = after.qpos[:, 2:4] - after.qpos[:, :2]
    return {
        "distance": distance(after),
        "control_effort": np.square(action).sum(1),
        "speed": _length(velocity),
        "closing_speed": (velocity * way).sum(1) / np.maximum(_length(way), 1e-6),
        "acceleration": _length(velocity - before.qvel[:, :2]) / DT,
        "wall_clearance": clearance(after),
    }


def charge(before: State, action: Array, after: State) -> Named:
    """Work of the pushing, by the mean of the speeds before and after; touching walls."""
    power = GEAR * np.abs(action * (before.qvel[:, :2] + after.qvel[:, :2]) / 2).sum(1)
    return {"energy": power * DT, "wall_contact": (clearance(after) < 0.003).astype(float)}


def success(state: State) -> Array:
    """Whether the ball is on the marked pad."""
    return _length(state.qpos[:, :2] - state.qpos[:, 2:4]) < NEAR


TASK = Task(
    model="pointmaze.xml",
    text="Roll the ball around the walls onto the marked pad on the shortest way, stop there, touch no wall.",
    camera="above",
    frame_skip=10,
    observations=(
        "ball x [m]",
        "ball y [m]",
        "ball x velocity [m/s]",
        "ball y velocity [m/s]",
        "goal x [m]",
        "goal y [m]",
        "goal minus ball x [m]",
        "goal minus ball y [m]",
    ),
    factors={
        "distance": Quantity("m", "way to the goal around the walls", privileged=True),
        "control_effort": Quantity("1", "sum of squared actions", privileged=True, motion=True),
        "speed": Quantity("m/s", "of the ball", motion=True),
        "closing_speed": Quantity("m/s", "towards the goal as the crow flies, walls or not", motion=True),
        "acceleration": Quantity("m/s^2", "how fast the ball's velocity changes; collisions stand out", motion=True),
        "wall_clearance": Quantity("m", "between the ball and the nearest wall; 0 touches"),
    },
    costs={
        "energy": Quantity("J", "mechanical work of both pushes in this step, never recovered"),
        "wall_contact": Quantity("1", "1 where the ball touches a wall, else 0"),
    },
    initial=initial,
    observe=observe,
    rewards=rewards,
    measure=measure,
    charge=charge,
    success=success,
)


class PointMazeEnv(TaskEnv):
    """`prefrl_envs:PointMaze-v0`, 50 steps of 0.1 s; info["goal"] names the pad that is marked, or nearest to the mark.

    `goal` names one pad for all episodes; `goals` are points (x, y) of which one is marked in each episode, pad or not.
    """

    task = TASK
    metadata = TASK.metadata(fps=10)

    def __init__(self, goal: str | None = None, goals: Sequence[Sequence[float]] | None = None, **kwargs: Any) -> None:
        if goal is not None and goal not in GOALS:
            raise ValueError(f"goal: no pad '{goal}'. Allowed: {', '.join(GOALS)}.")
        if goal is not None and goals is not None:
            raise ValueError("goal names a pad and goals lists points: give one of them.")
        self._goals = None if goals is None else _points(goals)
        if goal is not None:
            self._goals = np.array([GOALS[goal]])
        super().__init__(**kwargs)
        if goal is not None:
            self.metadata = deepcopy(self.metadata)
            self.metadata["prefrl"]["task"] = TASK.text.replace("the marked pad", f"the {goal} pad")

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = super().step(action)
        return obs, reward, terminated, truncated, {**info, "goal": goal_name(self._state())}

    def reset_model(self) -> Array:
        super().reset_model()
        if self._goals is not None:
            qpos = self.data.qpos.copy()
            qpos[2:] = self._goals[self.np_random.integers(len(self._goals))]
            self.set_state(qpos, self.data.qvel)
        return self._observation(self._state())

    def _get_reset_info(self) -> dict[str, Any]:
        return {"goal": goal_name(self._state())}


def _points(goals: Sequence[Sequence[float]]) -> Array:
    """(G, 2), all within the outer walls."""
    points = np.asarray(goals, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or np.abs(points).max() > INSIDE - BALL:
        raise ValueError(f"goals: points (x, y) within {INSIDE - BALL} m of the middle are needed, not {goals}.")
    return points
