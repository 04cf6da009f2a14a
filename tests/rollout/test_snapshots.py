"""An environment put back goes on bit for bit, whatever its wrappers; one that cannot be seen through says so."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import prefrl_envs  # noqa: F401 - registers its tasks
from prefrl.checkpoints import packed, unpacked
from prefrl.rollout.environments import describe, make
from prefrl.rollout.recording import RecordedEnv
from prefrl.rollout.snapshots import restore, snapshot
from prefrl.rollout.termination import Absorb
from prefrl.settings import EnvSettings

TASKS = [
    "HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5", "Reacher-v5", "Pusher-v5", "InvertedDoublePendulum-v5", "Humanoid-v5",
    "Pendulum-v1", "CartPole-v1", "Reach-v0", "Cheetah-v0", "PointMaze-v0", "ArmPush-v0", "HopperBackflip-v0", "Walker-v0",
]  # fmt: skip


def recorded(task: str, termination: Any = "keep") -> RecordedEnv:
    env = make(EnvSettings(id=task, termination=termination))
    return RecordedEnv(env, describe(env, task))


def steps(env: gym.Env[Any, Any], actions: list[Any]) -> list[bytes]:
    """Everything each step gave, resets included."""
    seen = []
    for action in actions:
        obs, reward, terminated, truncated, _ = env.step(action)
        seen.append(np.asarray(obs).tobytes() + np.array([reward, terminated, truncated]).tobytes())
        if terminated or truncated:
            seen.append(np.asarray(env.reset()[0]).tobytes())
    return seen


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("termination", ["keep", "absorb"])
def test_it_goes_on_bit_for_bit(task: str, termination: str) -> None:
    one, other = recorded(task, termination), recorded(task, termination)
    one.reset(seed=1)
    other.reset(seed=2)
    one.action_space.seed(0)
    actions = [one.action_space.sample() for _ in range(260)]
    steps(one, actions[:37])
    state = snapshot(one)
    assert state is not None
    restore(other, unpacked(packed(state)))
    assert steps(other, actions[37:]) == steps(one, actions[37:])


def test_a_state_is_a_copy() -> None:
    env = recorded("HalfCheetah-v5")
    env.reset(seed=1)
    action = np.ones(6)
    state = snapshot(env)
    first = steps(env, [action] * 5)
    assert state is not None
    restore(env, state)
    assert steps(env, [action] * 5) == first


class Opaque(gym.Wrapper[Any, Any, Any, Any]):
    """Holds something of a package that nothing is known of."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.noise = np.random.RandomState(3)


def test_what_cannot_be_seen_through_has_no_snapshot() -> None:
    env = Opaque(gym.make("Pendulum-v1"))
    env.reset(seed=0)
    assert snapshot(env) is None


def test_a_layer_with_a_state_of_its_own_is_asked() -> None:
    env = Absorb(gym.make("Hopper-v5", max_episode_steps=50))
    env.reset(seed=0)
    state = snapshot(env)
    assert state is not None
    assert state["layers"][0] == {"steps": 0, "last": None}
