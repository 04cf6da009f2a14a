"""SAC and TD3 learn from the learned reward exactly as if the environment had paid it, for the whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from pydantic import ValidationError
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper, VecNormalize

from prefrl.errors import ConfigError
from prefrl.evaluation import final_policy
from prefrl.learners.off_policy import SACLearner, TD3Learner
from prefrl.learners.on_policy import PPOLearner
from prefrl.learners.options import PPOOptions, SACOptions, TD3Options
from prefrl.relabel import RelabelDictReplayBuffer, Relabeller, Restraint
from prefrl.rewards.truth import TrueReward
from prefrl.rollout.environments import make
from prefrl.rollout.vectorised import information, record
from prefrl.settings import EnvSettings
from prefrl.specs import LearnerContext
from prefrl.timing import Clock
from prefrl.types import Channels, Episode

STEPS = 200
KINDS: dict[str, Any] = {
    "ppo": (PPOLearner, PPOOptions), "sac": (SACLearner, SACOptions), "td3": (TD3Learner, TD3Options),
}  # fmt: skip
Build = Callable[..., Any]


def small() -> dict[str, Any]:
    """Anew each time: SB3 writes into `policy_kwargs`."""
    return {"policy_kwargs": {"net_arch": [16, 16]}, "batch_size": 32, "gamma": 0.9}


def pendulum(n_envs: int) -> EnvSettings:
    return EnvSettings(id="Pendulum-v1", n_envs=n_envs, kwargs={"max_episode_steps": 30})


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


def paying(n_envs: int) -> PaysEachStep:
    return PaysEachStep(plain(n_envs))


def plain(n_envs: int) -> DummyVecEnv:
    venv = DummyVecEnv([lambda: make(pendulum(n_envs))] * n_envs)
    venv.seed(7)
    return venv


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """``build("sac", reward, n_envs=2, **options)`` makes a learner; `_relabel` and `_model` are its parts."""
    made: list[Any] = []

    def learner(
        kind: str, reward: Any, *, n_envs: int = 2, env: EnvSettings | None = None, scale: bool = False, kl: float = 0.0,
        normalize: bool = True, needs: frozenset[str] = frozenset({"true_reward"}), **options: Any,
    ) -> Any:  # fmt: skip
        task = env or pendulum(n_envs)
        venv = record(task, information(task), seed=7, name="run", keep=None)
        make_learner, model = KINDS[kind]
        settings = model.model_validate({**small(), **options})
        relabel = Relabeller(
            reward, needs, venv.recording, gamma=settings.gamma, scale=scale, bonuses=[], clock=Clock(),
            restraint=Restraint(kl) if kl else None,
        )  # fmt: skip
        context = LearnerContext(
            env=venv, relabel=relabel, seed=7, device="cpu", total_steps=200, normalize=normalize,
            folder=tmp_path / str(len(made)), clock=relabel._clock, tick=lambda steps: None,
        )  # fmt: skip
        made.append(make_learner(settings, context))
        return made[-1]

    yield learner
    for learner_made in made:
        learner_made.close()


class Fitted(Elementwise):
    """Stands for a model that answers fit: its version rises."""

    version = 0

    def scorers(self) -> Any:
        return ("one",)


def weights(model: Any) -> Mapping[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}


def assert_equal(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


def noise() -> NormalActionNoise:
    return NormalActionNoise(np.zeros(1), np.full(1, 0.1))


@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize(("kind", "algorithm"), [("sac", SAC), ("td3", TD3)])
def test_relabelling_equals_paying_at_each_step_bit_for_bit(
    kind: str, algorithm: Any, n_steps: int, build: Build
) -> None:
    ours = build(kind, Elementwise(), n_steps=n_steps)
    ours.advance(STEPS)
    venv = VecNormalize(paying(2), norm_reward=False, gamma=0.9)
    theirs = algorithm(
        "MlpPolicy", venv, seed=7, device="cpu", gradient_steps=-1, n_steps=n_steps, **small(),
        action_noise=noise() if kind == "td3" else None,
    )  # fmt: skip
    theirs.learn(STEPS)
    assert_equal(weights(ours._model), weights(theirs))
    assert ours.updates == theirs.num_timesteps - 100  # nothing is learned before `learning_starts`


def test_the_ground_truth_arm_is_plain_sb3_with_vecnormalize_bit_for_bit(build: Build) -> None:
    ours = build("sac", TrueReward(), scale=True)
    ours.advance(STEPS)
    theirs = SAC("MlpPolicy", VecNormalize(plain(2), gamma=0.9), seed=7, device="cpu", gradient_steps=-1, **small())
    theirs.learn(STEPS)
    assert_equal(weights(ours._model), weights(theirs))


@pytest.mark.parametrize("kind", ["sac", "td3"])
def test_four_advances_equal_one_learn_with_a_linear_learning_rate(kind: str, build: Build) -> None:
    once = build(kind, Elementwise(), learning_rate="lin_1e-3")
    once.advance(200)
    often = build(kind, Elementwise(), learning_rate="lin_1e-3")  # only now: building seeds what both draw from
    for _ in range(4):
        often.advance(50)
    assert often.steps == once.steps == 200
    assert_equal(weights(once._model), weights(often._model))
    assert [group["lr"] for group in often._model.critic.optimizer.param_groups] == [0.0]


@pytest.mark.parametrize(("n_envs", "gradient_steps", "updates"), [(1, None, 100), (4, None, 100), (4, 1, 25)])
def test_as_many_updates_as_steps_however_many_environments(
    n_envs: int, gradient_steps: int | None, updates: int, build: Build
) -> None:
    ours = build("sac", Elementwise(), n_envs=n_envs, gradient_steps=gradient_steps)
    ours.explore(104)
    ours.advance(100)
    assert (ours.steps, ours.updates) == (204, updates)


def test_exploration_is_random_kept_and_labelled_later(build: Build) -> None:
    ours = build("sac", Elementwise(), n_envs=2)
    before = weights(ours._model)
    ours.explore(250)
    assert (ours.steps, ours.updates, ours.replay.pending) == (250, 0, 125)
    assert_equal(before, weights(ours._model))
    actions = ours.replay.actions[:125].ravel()
    assert abs(actions.mean()) < 0.15
    assert abs(actions.std() - 3**-0.5) < 0.06  # uniform on [-1, 1]
    ours.advance(2)
    assert ours.replay.pending == 0
    assert ours.updates == 2
    np.testing.assert_allclose(
        ours.replay.rewards[:126],
        Elementwise.of(ours.replay.observations[:126], 2 * ours.replay.actions[:126]),
        atol=1e-6,
    )


@pytest.mark.parametrize("kind", ["sac", "td3"])
@pytest.mark.parametrize("reset", [True, False])
def test_critics_forget_at_hand_over_and_the_policy_does_not(kind: str, reset: bool, build: Build) -> None:
    reward = Fitted()
    ours = build(kind, reward, reset_critic=reset, reset_update=0)
    with ours._relabel.using(TrueReward()):
        ours.advance(150)
    before = weights(ours._model)
    reward.version = 1
    ours._relabel.refresh()
    ours.advance(0)
    after = weights(ours._model)
    actor = [name for name in before if name.startswith("actor")]
    critic = [name for name in before if name.startswith("critic") and name.endswith("weight")]
    assert actor
    assert critic
    assert all(torch.equal(before[name], after[name]) for name in actor)
    assert all(torch.equal(before[name], after[name]) != reset for name in critic)
    policy = ours._model.policy
    assert bool(policy.critic.optimizer.state_dict()["state"]) != reset
    if reset:
        assert_equal(policy.critic.state_dict(), policy.critic_target.state_dict())
    reward.version = 2
    ours._relabel.refresh()
    ours.advance(0)
    assert_equal(after, weights(ours._model))  # once


def test_updates_follow_the_hand_over(build: Build) -> None:
    reward = Fitted()
    ours = build("sac", reward, reset_critic=True, reset_update=10)
    with ours._relabel.using(TrueReward()):
        ours.advance(150)
    updates = ours.updates
    reward.version = 1
    ours._relabel.refresh()
    ours.advance(10)
    assert ours.updates == updates + 10 + 10


def test_the_true_and_the_learned_return_are_logged_apart(build: Build) -> None:
    ours = build("sac", Elementwise())
    ours.advance(STEPS)
    ended = ours._model.ep_info_buffer[0]
    assert ended["l"] == 30
    assert ended["true"] < -30
    assert abs(ended["r"]) < 30 * 1.4
    lines = (Path(ours._model.logger.dir) / "progress.csv").read_text()
    assert "rollout/ep_true_rew_mean" in lines


class InParts(gym.ObservationWrapper[Any, Any, Any]):
    """Pendulum with a Dict observation."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.observation_space = spaces.Dict(angle=spaces.Box(-1, 1, (2,)), speed=spaces.Box(-8, 8, (1,)))

    def observation(self, obs: np.ndarray) -> dict[str, np.ndarray]:
        return {"angle": obs[:2], "speed": obs[2:]}


@pytest.fixture
def dictionary() -> Any:
    gym.register("InParts-v0", lambda: InParts(gym.make("Pendulum-v1").unwrapped), max_episode_steps=30)
    yield EnvSettings(id="InParts-v0", n_envs=2)
    del gym.registry["InParts-v0"]


def test_dict_observations(dictionary: EnvSettings, build: Build) -> None:
    ours = build("sac", Elementwise(), env=dictionary)
    ours.advance(120)
    assert isinstance(ours.replay, RelabelDictReplayBuffer)
    np.testing.assert_allclose(
        ours.replay.rewards[:60],
        Elementwise.of(ours.replay.observations["angle"][:60], 2 * ours.replay.actions[:60]),
        atol=1e-6,
    )
    with pytest.raises(ConfigError, match=r"algo\.n_steps: SB3 has no n-step returns for Dict"):
        build("sac", Elementwise(), env=dictionary, n_steps=3)


@pytest.mark.parametrize("kind", ["sac", "td3"])
def test_a_saved_policy_acts_as_the_one_in_training(kind: str, build: Build, tmp_path: Path) -> None:
    ours = build(kind, Elementwise())
    ours.advance(120)
    ours.save(tmp_path / "model.zip")
    obs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_array_equal(final_policy(tmp_path, kind).act(obs), ours.policy.act(obs))


def test_state_restores_weights_and_counts(build: Build) -> None:
    ours, fresh = (build("sac", Elementwise()) for _ in range(2))
    ours.advance(150)
    fresh.load_state_dict(ours.state_dict())
    assert (fresh.steps, fresh.updates) == (ours.steps, ours.updates)
    assert_equal(weights(ours._model), weights(fresh._model))


def test_log_densities_are_those_the_policy_samples_with(build: Build) -> None:
    ours = build("sac", Elementwise(), normalize=False)
    obs = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    with torch.no_grad():
        actions, expected = ours._model.actor.action_log_prob(torch.as_tensor(obs))
    np.testing.assert_allclose(ours.policy.log_prob(obs, actions.numpy()), expected, atol=2e-3)
    with pytest.raises(Exception, match="A TD3 policy is deterministic"):
        build("td3", Elementwise()).policy.log_prob(obs, actions.numpy())


# --- what is refused, in one sentence --------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [SACOptions, TD3Options])
@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("optimize_memory_usage", True, "time limits need to be told from terminal states"),
        ("replay_buffer_class", "HerReplayBuffer", r"hindsight replay \(HER\) cannot be used"),
        ("train_freq", 0, "greater than or equal to 1"),
        ("gradient_steps", -2, "greater than or equal to -1"),
    ],
)
def test_options_that_relabelling_rules_out(model: Any, key: str, value: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        model.model_validate({key: value})


def test_the_entropy_coefficient_is_a_number_or_auto() -> None:
    assert [SACOptions(ent_coef=value).ent_coef for value in (0.2, "auto", "auto_0.1")] == [0.2, "auto", "auto_0.1"]
    with pytest.raises(ValidationError):
        SACOptions(ent_coef="automatic")


def test_episodic_updates_need_one_environment(build: Build) -> None:
    with pytest.raises(ConfigError, match=r"algo\.train_freq: updates once per episode need env\.n_envs: 1, not 2"):
        build("sac", Elementwise(), train_freq=[1, "episode"])
    ours = build("sac", Elementwise(), n_envs=1, train_freq=[1, "episode"], gradient_steps=-1)
    ours.advance(121)
    assert (ours.steps, ours.updates) == (150, 60)


def test_actions_must_be_continuous_and_bounded(build: Build) -> None:
    with pytest.raises(ConfigError, match="SAC and TD3 need continuous actions within finite bounds, not Discrete"):
        build("sac", Elementwise(), env=EnvSettings(id="CartPole-v1", n_envs=1))


def test_a_deterministic_policy_cannot_be_held_to_its_initial_self(build: Build) -> None:
    with pytest.raises(ConfigError, match=r"relabel\.kl: a TD3 policy is deterministic"):
        build("td3", Elementwise(), kl=0.1)


@pytest.mark.parametrize("kind", ["ppo", "sac"])
def test_held_to_its_initial_self_a_policy_departs_less(kind: str, build: Build) -> None:
    def departure(kl: float) -> float:
        options = {"n_steps": 50, "batch_size": 50, "n_epochs": 10} if kind == "ppo" else {"learning_rate": 3e-3}
        learner = build(kind, Elementwise(), kl=kl, **options)
        learner.advance(200)
        initial = learner._relabel.restraint._initial
        obs = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
        actions = np.clip(initial.act(obs, deterministic=False), -1.99, 1.99) / (1 if kind == "ppo" else 2)
        return float((initial.log_prob(obs, actions) - learner.policy.log_prob(obs, actions)).mean())

    assert departure(3.0) < 0.5 * departure(1e-6)


def test_the_restraint_takes_the_place_of_a_tuned_entropy_coefficient(build: Build) -> None:
    assert float(build("sac", Elementwise(), kl=0.3)._model.ent_coef) == 0.3
    assert float(build("sac", Elementwise(), kl=0.3, ent_coef=0.2)._model.ent_coef) == 0.5
    with pytest.raises(ConfigError, match=r"relabel\.kl: SAC charges half of it unscaled"):
        build("sac", Elementwise(), kl=0.3, scale=True)
