"""A policy takes raw observations as they were recorded, whatever its space and however it was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from prefrl.policies import RandomPolicy, SB3Policy


class Seen(gym.Env[Any, Any]):
    """Shows samples of its space."""

    metadata = {"render_modes": []}
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.observation_space = space
        space.seed(0)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.observation_space.sample(), 0.0, False, False, {}


PARTS = spaces.Dict({"b": spaces.Box(-1, 1, (2, 2), np.float32), "a": spaces.Box(-1, 1, (1,), np.float32)})


def trained(space: spaces.Space[Any], normalize: bool) -> tuple[PPO, VecNormalize | None]:
    venv: Any = DummyVecEnv([lambda: Seen(space)])
    venv = VecNormalize(venv, norm_reward=False) if normalize else venv
    policy = "MultiInputPolicy" if isinstance(space, spaces.Dict) else "MlpPolicy"
    model = PPO(policy, venv, n_steps=16, batch_size=16, n_epochs=1, seed=0, device="cpu")
    model.learn(16)
    return model, venv if normalize else None


@pytest.mark.parametrize(
    ("space", "normalize"),
    [(spaces.Box(-9, 9, (3,), np.float32), True), (spaces.Discrete(4), False), (PARTS, False), (PARTS, True)],
)
def test_recorded_observations_are_what_the_policy_was_trained_on(space: spaces.Space[Any], normalize: bool) -> None:
    model, normaliser = trained(space, normalize)
    raw = [space.sample() for _ in range(5)]
    if isinstance(space, spaces.Dict):
        batch: Any = {key: np.stack([row[key] for row in raw]) for key in space.spaces}
        recorded = np.stack([spaces.flatten(space, row) for row in raw])
    else:
        batch = np.stack(raw)
        recorded = batch.reshape(5, -1)
    expected, _ = model.predict(normaliser.normalize_obs(batch) if normaliser else batch, deterministic=True)
    policy = SB3Policy(model, normaliser)
    statistics = repr(normaliser.obs_rms.__dict__ if normaliser and not isinstance(space, spaces.Dict) else None)
    assert np.array_equal(policy.act(recorded), expected)
    assert (
        repr(normaliser.obs_rms.__dict__ if normaliser and not isinstance(space, spaces.Dict) else None) == statistics
    )
    assert policy.log_prob(recorded, expected).shape == (5,)
    assert (
        policy.log_prob(recorded, expected) >= policy.log_prob(recorded, expected + 0.3)
    ).all()  # the mean is likeliest


def test_act_may_be_drawn_as_in_training() -> None:
    model, _ = trained(spaces.Box(-1, 1, (3,), np.float32), False)
    policy, obs = SB3Policy(model, None), np.zeros((2, 3), np.float32)
    assert np.array_equal(policy.act(obs), policy.act(obs))
    assert not np.array_equal(policy.act(obs, deterministic=False), policy.act(obs, deterministic=False))


def test_saving_writes_sb3s_zip_and_the_statistics_beside_it(tmp_path: Path) -> None:
    model, normaliser = trained(spaces.Box(-9, 9, (3,), np.float32), True)
    SB3Policy(model, normaliser).save(tmp_path / "model.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.zip", "vecnormalize.pkl"]
    obs = np.ones((1, 3), np.float32)
    assert np.array_equal(PPO.load(tmp_path / "model.zip", device="cpu").predict(obs, deterministic=True)[0], model.predict(obs, deterministic=True)[0])  # fmt: skip


def test_random_actions_are_uniform_and_seeded() -> None:
    space = spaces.Box(-2, 2, (1,), np.float32)
    drawn = RandomPolicy(space, 3).act(np.zeros((2000, 4)))
    assert drawn.shape == (2000, 1)
    assert np.abs(np.histogram(drawn, 4, (-2, 2))[0] - 500).max() < 90
    assert np.array_equal(RandomPolicy(space, 3).act(np.zeros((2000, 4))), drawn)


def test_random_actions_have_the_density_of_their_space(tmp_path: Path) -> None:
    obs = np.zeros((3, 1))
    box = RandomPolicy(spaces.Box(-2, 2, (2,), np.float32), 0)
    assert box.log_prob(obs, box.act(obs)) == pytest.approx([-np.log(16)] * 3)
    discrete = RandomPolicy(spaces.Discrete(5), 0)
    assert discrete.log_prob(obs, discrete.act(obs)) == pytest.approx([-np.log(5)] * 3)
    box.save(tmp_path / "random.zip")
    assert not list(tmp_path.iterdir())
