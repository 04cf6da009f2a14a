"""The learned reward reaches the learner exactly as if the environment had paid it at each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper, VecNormalize

from prefrl.learners.on_policy import PPOLearner
from prefrl.learners.options import PPOOptions
from prefrl.relabel import Relabeller, RewardScale
from prefrl.rewards.truth import TrueReward
from prefrl.rollout.environments import make
from prefrl.rollout.vectorised import information, record
from prefrl.settings import EnvSettings
from prefrl.specs import LearnerContext
from prefrl.timing import Clock
from prefrl.types import Channels, Episode

PENDULUM = EnvSettings(id="Pendulum-v1", n_envs=3)  # time limits inside the runs below: 200 steps
STEPS = {"n_steps": 128, "batch_size": 64, "n_epochs": 2, "gamma": 0.9}


class Elementwise(TrueReward):
    """A reward whose every step is computed alike, whatever the batch: sums of products differ in the last bit."""

    @staticmethod
    def of(obs: np.ndarray, action: np.ndarray) -> np.ndarray:
        return np.tanh(obs[..., 0]) - 0.1 * action[..., 0] ** 2

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        return {"reward": np.concatenate([self.of(e.obs[:-1], e.action) for e in episodes])}


class PaysEachStep(VecEnvWrapper):
    """The same reward, paid by the environment."""

    def reset(self) -> Any:
        self._obs = self.venv.reset()
        return self._obs

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        paid = Elementwise.of(np.asarray(self._obs), self._actions).astype(np.float32)
        self._obs, _, dones, infos = self.venv.step_wait()
        return self._obs.copy(), paid, dones, infos


LEARNERS: list[PPOLearner] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while LEARNERS:
        LEARNERS.pop().close()


def learner(
    folder: Path, reward: TrueReward, *, needs: frozenset[str] = frozenset(), scale: bool = False, **options: Any
) -> PPOLearner:
    venv = record(PENDULUM, information(PENDULUM), seed=7, name="run", keep=None)
    settings = PPOOptions.model_validate({**STEPS, **options})
    clock = Clock()
    relabel = Relabeller(
        reward, needs, venv.recording, gamma=settings.gamma, scale=scale, bonuses=[], clock=clock
    )  # fmt: skip
    context = LearnerContext(
        env=venv, relabel=relabel, seed=7, device="cpu", total_steps=1536, normalize=True, folder=folder, clock=clock,
        tick=lambda steps: None,
    )  # fmt: skip
    LEARNERS.append(PPOLearner(settings, context))
    return LEARNERS[-1]


def weights(model: Any) -> Mapping[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}


def assert_equal(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


def test_relabelling_a_rollout_equals_paying_at_each_step_bit_for_bit(tmp_path: Path) -> None:
    ours = learner(tmp_path, Elementwise())
    ours.advance(1536)
    venv = VecNormalize(PaysEachStep(DummyVecEnv([lambda: make(PENDULUM)] * 3)), norm_reward=False, gamma=0.9)
    theirs = PPO("MlpPolicy", venv, seed=7, device="cpu", **STEPS)
    theirs.learn(1536)
    assert_equal(weights(ours._model), weights(theirs))
    assert ours._normalize is not None
    np.testing.assert_array_equal(ours._normalize.obs_rms.mean, venv.obs_rms.mean)


def test_the_ground_truth_arm_is_plain_sb3_with_vecnormalize_bit_for_bit(tmp_path: Path) -> None:
    ours = learner(tmp_path, TrueReward(), needs=frozenset({"true_reward"}), scale=True)
    ours.advance(1536)
    venv = VecNormalize(DummyVecEnv([lambda: make(PENDULUM)] * 3), gamma=0.9)
    theirs = PPO("MlpPolicy", venv, seed=7, device="cpu", **STEPS)
    theirs.learn(1536)
    assert_equal(weights(ours._model), weights(theirs))


def test_four_advances_equal_one_learn_with_a_linear_learning_rate(tmp_path: Path) -> None:
    once = learner(tmp_path / "once", Elementwise(), learning_rate="lin_1e-3")
    once.advance(1536)
    often = learner(tmp_path / "often", Elementwise(), learning_rate="lin_1e-3")
    for _ in range(4):
        often.advance(384)
    assert often.steps == once.steps == 1536
    assert_equal(weights(once._model), weights(often._model))
    rates = [group["lr"] for group in often._model.policy.optimizer.param_groups]
    assert rates == [0.0]  # a saw-tooth would have ended each advance there, and the last one too: see the parameters


def test_the_reward_scale_is_vecnormalizes() -> None:
    rng = np.random.default_rng(0)
    rewards = rng.normal(2, 30, (300, 4)).astype(np.float32)
    dones = rng.random((300, 4)) < 0.02

    class Replay(VecEnvWrapper):
        def reset(self) -> Any:
            self.t = 0
            return self.venv.reset()

        def step_wait(self) -> Any:
            obs, _, _, infos = self.venv.step_wait()
            self.t += 1
            return obs, rewards[self.t - 1], dones[self.t - 1], infos

    venv = VecNormalize(Replay(DummyVecEnv([lambda: make(PENDULUM)] * 4)), norm_obs=False, gamma=0.95)
    venv.reset()
    expected = np.stack([venv.step(np.zeros((4, 1)))[1] for _ in range(300)])
    scale = RewardScale(0.95, 4)
    halves = [scale.apply(rewards[:111], dones[:111]), scale.apply(rewards[111:], dones[111:])]
    np.testing.assert_array_equal(np.concatenate(halves).astype(np.float32), expected.astype(np.float32))


def test_the_learner_is_handed_reward_zero_and_logs_learned_and_true_return_apart(tmp_path: Path) -> None:
    ours = learner(tmp_path, Elementwise())
    seen: list[float] = []
    step = ours._model.env.step

    def spy(actions: np.ndarray) -> Any:
        result = step(actions)
        seen.extend(result[1].tolist())
        return result

    ours._model.env.step = spy
    ours.advance(768)
    assert set(seen) == {0.0}
    ended = ours._model.ep_info_buffer[0]
    assert ended["l"] == 200
    assert ended["true"] < -100  # Pendulum's own return
    assert abs(ended["r"]) <= 200  # a sum of tanh


def test_a_reward_model_sees_neither_true_reward_nor_factors_it_did_not_declare(tmp_path: Path) -> None:
    class Curious(Elementwise):
        def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
            assert all(e.true_reward is None and not e.factors and e.states is None for e in episodes)
            return super().rewards(episodes)

    learner(tmp_path, Curious()).advance(384)


def test_another_reward_inside_using_leaves_the_scale_of_the_run_alone(tmp_path: Path) -> None:
    ours = learner(tmp_path, Elementwise(), scale=True)
    ours.advance(384)
    before = ours._relabel.state_dict()["scale"]
    with ours._relabel.using(TrueReward()), pytest.raises(ValueError, match="zero-dimensional"):
        ours.advance(384)  # the true reward is hidden from a relabeller that does not declare it
    assert ours._relabel.state_dict()["scale"] == before


def test_state_restores_scale_and_returns(tmp_path: Path) -> None:
    ours = learner(tmp_path / "a", Elementwise(), scale=True)
    ours.advance(768)
    fresh = learner(tmp_path / "b", Elementwise(), scale=True)
    fresh._relabel.load_state_dict(ours._relabel.state_dict(), {})
    rewards, dones = np.ones((4, 3), np.float32), np.zeros((4, 3), bool)
    assert ours._relabel._scale is not None
    assert fresh._relabel._scale is not None
    np.testing.assert_array_equal(
        fresh._relabel._scale.apply(rewards, dones), ours._relabel._scale.apply(rewards, dones)
    )
    assert list(fresh._relabel.ended) == list(ours._relabel.ended)
