"""Recorded MuJoCo states of one episode in, a score of a task without a designed reward out; for evaluation only.

No environment calls this and no info holds it, so that a run cannot learn from it by accident.
"""

from __future__ import annotations

import numpy as np

from prefrl_envs import hopper, planar
from prefrl_envs.task import Array, State

AIRBORNE = 0.07  # m; a body whose lowest point is above this touches nothing (parts are up to 0.06 thick)
LEAST = np.pi / 2  # rad; hops that turn less are no part of a flip


def backflip(states: Array) -> float:
    """Backward turns that HopperBackflip made in the air and landed on its foot.

    `states` are (T+1, ns) full-physics states (time, then positions, then velocities), as recorded in an episode. A flight
    counts with its share of a turn (1.0 is a whole backflip, a forward one subtracts) if it turns by a quarter or more and
    ends with the foot as the lowest part; a flight the episode cuts off does not.
    """
    state = State(np.asarray(states)[:, 1:7], np.asarray(states)[:, 7:13])
    foot, rest = lowest(state)
    flying = np.minimum(foot, rest) > AIRBORNE
    edges = np.diff(flying.astype(int))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) + 1
    if flying[0]:
        ends = ends[1:]  # its begin was not seen
    begins = begins[: len(ends)]
    turns = state.qpos[ends, 2] - state.qpos[begins, 2]
    counts = (np.abs(turns) >= LEAST) & (foot[ends] < rest[ends])
    return float(turns[counts].sum() / (2 * np.pi))


def lowest(state: State) -> tuple[Array, Array]:
    """Heights (B,) of the foot's lower end and of the lowest of knee, hip and the torso's top."""
    _, ends = planar.feet(state, hopper.FOOT)
    pitch, hip = state.qpos[:, 2], state.qpos[:, 2] + state.qpos[:, 3]
    torso = planar.HIP * np.cos(pitch)
    joint = state.qpos[:, 1] - torso
    knee = joint - planar.THIGH * np.cos(hip)
    return ends[:, 0].min(1), np.minimum(np.minimum(joint, knee), state.qpos[:, 1] + torso)
