"""Backflips are counted from recorded states, and only there."""

from __future__ import annotations

import gymnasium
import mujoco
import numpy as np
import pytest

from prefrl_envs import planar, scores
from prefrl_envs.task import Array, State


def flight(turn: float, height: float = 2.0, landing: float = 1.0, air: int = 20) -> Array:
    """States of standing, a flight that turns by `turn`, and standing (or lying, at `landing`) again."""
    states = np.zeros((air + 10, 13))
    states[:, 2] = planar.REST_HEIGHT
    states[5:-5, 2] = height
    states[-5:, 2] = landing * planar.REST_HEIGHT
    states[:, 3] = np.interp(np.arange(air + 10), [4, air + 5], [0, turn])
    return states


@pytest.mark.parametrize(("turn", "score"), [
    (2 * np.pi, 1.0),  # a whole one
    (-2 * np.pi, -1.0),  # forward
    (0.3, 0.0),  # a hop
    (1.95 * np.pi, 0.975),  # landed leaning a little
])  # fmt: skip
def test_backward_turns_in_the_air_count(turn: float, score: float) -> None:
    assert scores.backflip(flight(turn)) == pytest.approx(score, abs=0.06)


def test_flips_add_up() -> None:
    first, second = flight(2 * np.pi), flight(2 * np.pi)
    second[:, 3] += first[-1, 3]
    assert scores.backflip(np.concatenate([first, second])) == pytest.approx(2, abs=0.1)


def test_what_is_not_landed_on_the_foot_does_not_count() -> None:
    assert scores.backflip(flight(np.pi, landing=0.19)) == 0  # on its head
    assert scores.backflip(flight(2 * np.pi)[:-5]) == 0  # the episode ended in the air
    assert scores.backflip(flight(2 * np.pi)[6:]) == 0  # or began there
    assert scores.backflip(flight(2 * np.pi, height=0.25)) == 0  # rolling on the ground is no flip


def test_the_lowest_parts_are_where_the_simulator_has_them() -> None:
    env = gymnasium.make("prefrl_envs:HopperBackflip-v0").unwrapped
    rng = np.random.default_rng(0)
    for _ in range(5):
        env.data.qpos[:] = rng.uniform(-1, 1, 6)
        mujoco.mj_forward(env.model, env.data)
        foot, rest = scores.lowest(State(env.data.qpos[None], env.data.qvel[None]))
        torso = env.data.body("torso")
        top = torso.xpos[2] + 0.2 * torso.xmat.reshape(3, 3)[2, 2]
        assert foot[0] == pytest.approx(min(env.data.site(end).xpos[2] for end in ("heel", "toe")))
        assert rest[0] == pytest.approx(min(top, env.data.body("thigh").xpos[2], env.data.body("shin").xpos[2]))


def test_standing_scores_nothing_and_neither_reward_nor_info_tells() -> None:
    env = gymnasium.make("prefrl_envs:HopperBackflip-v0")
    inner = env.unwrapped
    env.reset(seed=0)
    states = []
    for _ in range(60):
        joints = inner.data.qpos[3:]
        stay = 5 * (np.array([0.35, -0.7, 0.35]) - joints) - 0.2 * inner.data.qvel[3:]
        _, reward, terminated, _, info = env.step(np.clip(stay, -1, 1))
        states.append(np.concatenate([[inner.data.time], inner.data.qpos, inner.data.qvel]))
        assert (reward, terminated) == (0.0, False)
        assert set(info) == {"factors", "costs"}
    assert scores.backflip(np.array(states)) == 0
    factors = inner.metadata["prefrl"]["factors"]
    assert not any(meta["privileged"] for meta in factors.values())  # there is no designed reward to give away
