"""An evaluation is what a loop written by hand measures, and agreement is what a statistics book computes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import yaml
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from prefrl.errors import ConfigError, RunError
from prefrl.evaluation import Evaluator, agreement, evaluate_run, learned_rewards, paired_returns, summarise
from prefrl.policies import RandomPolicy, SB3Policy
from prefrl.rollout.vectorised import information
from prefrl.segments import SegmentPool
from prefrl.settings import EnvSettings
from prefrl.types import Array, Channels, Episode, Item

CARTPOLE = EnvSettings(id="CartPole-v1")
REACH = EnvSettings(id="prefrl_envs:Reach-v0", kwargs={"max_episode_steps": 8})
SEEDS = (10_003, 10_000, 10_001)


class Balance:
    """Pushes against the fall; each observation is answered alone."""

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        assert deterministic
        return np.array([int(3 * row[2] + row[3] + 0.5 * row[1] + 0.1 * row[0] > 0) for row in obs])


class Swing:
    """Follows the observation."""

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        return np.stack([np.tanh(row[:2] * 2).astype(np.float32) for row in obs])


def by_hand(env_id: str, policy: Any, seed: int, **kwargs: Any) -> dict[str, Any]:
    env = gym.make(env_id, **kwargs)
    obs, _ = env.reset(seed=seed)
    seen, actions, rewards, ended, info = [obs], [], [], (False, False), {}
    while not any(ended):
        action = policy.act(obs[None])[0]
        obs, reward, *ended, info = env.step(action)  # type: ignore[assignment]
        seen.append(obs)
        actions.append(action)
        rewards.append(reward)
    env.close()
    return {"obs": seen, "action": actions, "reward": rewards, "ended": ended, "success": info.get("success")}


@pytest.mark.parametrize(("settings", "policy"), [(CARTPOLE, Balance()), (REACH, Swing())])
def test_episodes_are_those_of_a_loop_by_hand(settings: EnvSettings, policy: Any) -> None:
    evaluator = Evaluator(settings, information(settings))
    for _ in range(2):  # the environments are used again, from fresh resets
        episodes = evaluator.episodes(policy, SEEDS)
        expected = [by_hand(settings.id, policy, seed, **settings.kwargs) for seed in SEEDS]
        for episode, reference in zip(episodes, expected, strict=True):
            assert np.array_equal(episode.obs, reference["obs"])
            assert np.array_equal(episode.action, reference["action"])
            assert episode.true_reward is not None
            assert np.array_equal(episode.true_reward, reference["reward"])
            assert [episode.terminated, episode.truncated] == reference["ended"]
            assert (episode.states is None) == (settings is CARTPOLE)
        success = None if settings is CARTPOLE else tuple(float(reference["success"]) for reference in expected)
        assert evaluator.success == success
    evaluator.close()


def test_episodes_end_at_their_own_time() -> None:
    evaluator = Evaluator(CARTPOLE, information(CARTPOLE))
    policy = RandomPolicy(evaluator.action_space(), 0)
    lengths = {len(episode) for episode in evaluator.episodes(policy, range(6))}
    assert len(lengths) > 1
    evaluator.close()


class Doubled:
    """Twice the true reward, as two members that differ by a constant."""

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        return {"reward": np.concatenate([2 * np.asarray(e.true_reward) for e in episodes])}

    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        returns = np.array([2.0 * item.true_reward.sum() for item in items])  # type: ignore[union-attr]
        return np.stack([returns + 1, returns - 1])


def episode(rewards: Sequence[float], **rest: Any) -> Episode:
    n = len(rewards)
    return Episode("e", np.arange(n + 1.0)[:, None], np.zeros((n, 1)), true_reward=np.array(rewards), **rest)


def test_a_summary_holds_sums_in_the_order_of_the_seeds() -> None:
    episodes = [episode([1, 2, 3]), episode([5])]
    learned = learned_rewards(Doubled(), episodes)  # type: ignore[arg-type]
    assert [part.tolist() for part in learned] == [[2, 4, 6], [10]]
    found = summarise(episodes, (7, 8), (1.0, 0.0), learned, step=9, preferences=4, agreement=(0.5, 0.75))
    assert (found.true_return, found.learned_return, found.length) == ((6.0, 5.0), (12.0, 10.0), (3, 1))
    assert (found.seeds, found.success, found.step, found.preferences) == ((7, 8), (1.0, 0.0), 9, 4)
    assert (found.rank_correlation, found.accuracy, found.mean_return) == (0.5, 0.75, 5.5)


def test_paired_returns_are_of_the_same_segments() -> None:
    pool = SegmentPool([episode(np.random.default_rng(0).normal(size=50), truncated=True)], 50, 1)  # type: ignore[arg-type]
    learned, true = paired_returns(pool, Doubled(), 30, 5, np.random.default_rng(1))  # type: ignore[arg-type]
    assert learned == pytest.approx(2 * true)
    assert len(set(true.tolist())) > 10


def test_rank_correlation_with_ties_is_spearmans() -> None:
    """Ranks (1, 2.5, 2.5, 4, 5) and (2, 1, 3.5, 3.5, 5): covariance 7.25 of variances 9.5 and 9.5."""
    learned, true = np.array([1.0, 2, 2, 3, 9]), np.array([5.0, 1, 7, 7, 8])
    assert agreement(learned, true)[0] == pytest.approx(7.25 / 9.5)
    assert agreement(learned, -true)[0] == pytest.approx(-7.25 / 9.5)
    assert agreement(np.exp(learned), true**3)[0] == pytest.approx(7.25 / 9.5)


def test_accuracy_is_of_pairs_that_differ_in_truth_and_half_for_ties_of_the_model() -> None:
    true = np.array([1.0, 2, 3, 4, 0, 2, 5, 9])  # pairs (1, 0), (2, 2), (3, 5), (4, 9): the second says nothing
    learned = np.array([1.0, 9, 3, 4, 0, 1, 1, 4])  # right, -, wrong, undecided
    assert agreement(learned, true)[1] == pytest.approx(1.5 / 3)
    assert agreement(true, true) == (pytest.approx(1.0), 1.0)


def test_what_never_differs_has_no_agreement() -> None:
    assert np.isnan(agreement(np.arange(4.0), np.ones(4))).all()
    correlation, accuracy = agreement(np.ones(4), np.arange(4.0))
    assert np.isnan(correlation)
    assert accuracy == 0.5


# --- a finished run -------------------------------------------------------------------------------------------------


@pytest.fixture
def finished(tmp_path: Path) -> tuple[Path, SB3Policy]:
    """A run folder as far as an evaluation reads it, with a policy that normalises."""
    venv = VecNormalize(DummyVecEnv([lambda: gym.make("CartPole-v1")]), norm_reward=False)
    model = PPO("MlpPolicy", venv, n_steps=32, batch_size=32, n_epochs=1, seed=3, device="cpu")
    model.learn(64)
    policy = SB3Policy(model, venv)
    policy.save(tmp_path / "model.zip")
    (tmp_path / "manifest.json").write_text(json.dumps({"env": asdict(information(CARTPOLE))}))
    plain = {"env": {"id": "CartPole-v1"}, "algo": {"name": "ppo", "n_timesteps": 64}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(plain))
    return tmp_path, policy


def test_a_finished_run_is_evaluated_as_it_was(finished: tuple[Path, SB3Policy]) -> None:
    folder, policy = finished
    found = evaluate_run(folder, 3)
    assert found.seeds == (10_000, 10_001, 10_002)
    expected = [sum(by_hand("CartPole-v1", policy, seed)["reward"]) for seed in found.seeds]
    assert found.true_return == tuple(expected)
    assert found.step == 64
    assert np.isnan(found.learned_return).all()


def test_a_folder_without_a_policy_is_a_sentence(finished: tuple[Path, SB3Policy]) -> None:
    folder, _ = finished
    (folder / "model.zip").unlink()
    with pytest.raises(RunError, match="no final policy"):
        evaluate_run(folder, 1)
    with pytest.raises(ConfigError, match="no run is there"):
        evaluate_run(folder / "nowhere", 1)


def test_a_policy_of_an_unknown_learner_is_a_sentence(finished: tuple[Path, SB3Policy]) -> None:
    folder, _ = finished
    plain = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(plain | {"algo": {"name": "ppoo", "n_timesteps": 1}}))
    with pytest.raises(RunError, match=r"cannot load a policy of algo 'ppoo'\. .*Did you mean 'ppo'"):
        evaluate_run(folder, 1)
