"""Observations end with whom the policy serves: drawn anew at each reset, or as asked for."""

from __future__ import annotations

import numpy as np
import pytest

from prefrl.errors import ConfigError
from prefrl.rollout.environments import describe, make
from prefrl.rollout.snapshots import restore, snapshot
from prefrl.settings import EnvSettings

TASK = EnvSettings(id="Reacher-v5", user=3)


def test_a_user_stays_for_an_episode_and_follows_from_the_seed() -> None:
    env, plain = make(TASK), make(EnvSettings(id="Reacher-v5"))
    obs, _ = env.reset(seed=1)
    assert np.array_equal(obs[:-3], plain.reset(seed=1)[0])
    later = env.step(env.action_space.sample())[0]
    assert np.array_equal(obs[-3:], later[-3:])
    other = env.reset()[0]
    assert not np.array_equal(obs[-3:], other[-3:])
    assert np.array_equal(env.reset(seed=1)[0], obs)
    assert env.observation_space.contains(obs)


def test_users_are_spread_like_the_prior() -> None:
    env = make(TASK)
    env.reset(seed=0)
    drawn = np.stack([env.reset()[0][-3:] for _ in range(300)])
    assert np.abs(drawn.mean(0)).max() < 0.2
    assert np.abs(drawn.std(0) - 1).max() < 0.15


def test_whom_to_serve_may_be_said() -> None:
    env = make(TASK)
    assert env.reset(seed=0, options={"user": [1.0, 2.0, 3.0]})[0][-3:].tolist() == [1.0, 2.0, 3.0]


def test_what_is_known_of_it_says_so() -> None:
    known = describe(make(TASK), "Reacher-v5")
    assert (known.user, known.obs_shape) == (3, (13,))
    assert describe(make(EnvSettings(id="Reacher-v5")), "Reacher-v5").user == 0


def test_a_snapshot_knows_the_user() -> None:
    env = make(TASK)
    env.reset(seed=0)
    state = snapshot(env)
    assert state is not None
    expected = env.reset()[0]
    again = make(TASK)
    again.reset(seed=5)
    restore(again, state)
    assert np.array_equal(again.reset()[0][-3:], expected[-3:])


def test_observations_of_several_parts_are_refused() -> None:
    import gymnasium as gym
    from gymnasium import spaces

    from prefrl.rollout.users import Served

    class Parts(gym.Env):  # type: ignore[type-arg]
        observation_space = spaces.Dict({"a": spaces.Box(0, 1)})

    with pytest.raises(ConfigError, match=r"env.user: needs observations in one row"):
        Served(Parts(), 2)
