"""From stored answers alone: a policy on a reward model, or one fitted to the answers, that is SB3's in every respect."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO, SAC

from prefrl import config
from prefrl.errors import ConfigError, PrefrlError
from prefrl.evaluation import evaluate_run
from prefrl.plugins import PluginHost
from prefrl.procedures.run import Run
from prefrl.report import summary_lines
from prefrl.rollout.vectorised import information
from prefrl.segments import cut
from prefrl.settings import EnvSettings
from prefrl.store import open_store
from prefrl.types import Episode, Preference, Query, Segment, Tiers

Learn = Callable[..., Run]
STEPS, PAIRS = 8, 60
CPL = (
    "reward={model: policy, loss: {cpl: {alpha: 1.0}}, fit: {updates: 150, learning_rate: 3.0e-3, stop_accuracy: null}}"
)
PPO_ALGO = "algo={name: ppo, n_timesteps: 128, n_steps: 32, batch_size: 32}"
SAC_ALGO = "algo={name: sac, n_timesteps: 128, learning_starts: 32, batch_size: 16, policy_kwargs: {net_arch: [32]}}"


def wanted(obs: np.ndarray) -> np.ndarray:
    """The torque that the answers like: against the swing."""
    return np.clip(-obs[:, 2:3] / 4, -1.5, 1.5)


def goodness(clip: Segment) -> float:
    return -float(np.square(clip.action - wanted(clip.obs[:-1])).sum())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a data set of Pendulum that prefers torque against the swing."""
    folder = tmp_path_factory.mktemp("stored")
    rng, env = np.random.default_rng(0), gym.make("Pendulum-v1")
    clips = []
    for number in range(30):
        obs, actions = [env.reset(seed=number)[0]], []
        for _ in range(4 * STEPS):
            actions.append(rng.uniform(-2, 2, 1).astype(np.float32))
            obs.append(env.step(actions[-1])[0])
        episode = Episode(
            str(number), np.stack(obs), np.stack(actions), true_reward=np.zeros(4 * STEPS), truncated=True
        )
        clips += [cut(episode, first, STEPS) for first in range(0, 4 * STEPS, STEPS)]
    with open_store(f"sqlite:///{folder}/prefrl.sqlite", folder) as store:
        data = store.data_set("swings", information(EnvSettings(id="Pendulum-v1")))
        queries = [Query.of("run", i, (clips[2 * i], clips[2 * i + 1])) for i in range(PAIRS)]
        data.add_queries(queries)
        for query in queries:
            first = goodness(query.items[0]) > goodness(query.items[1])  # type: ignore[arg-type]  # segments all
            data.add(Preference.of(query, Tiers(((0,), (1,)) if first else ((1,), (0,))), source="teacher"))
    return folder


@pytest.fixture
def learn(folder: Path, tmp_path: Path) -> Learn:
    def learn(name: str, *sets: str, execute: bool = True) -> Run:
        yaml = tmp_path / "offline.yaml"
        yaml.write_text(
            f"env: {{id: Pendulum-v1, n_envs: 1, kwargs: {{max_episode_steps: 40}}}}\nalgo: {{name: ppo}}\npretrain: null\n"
            f"procedure: {{name: offline}}\nfeedback: {{segment: {STEPS}}}\nevaluate: {{episodes: 2, final_episodes: 2}}\n"
            f"store: {{url: 'sqlite:///{folder}/prefrl.sqlite', data_set: swings}}\n"
        )
        tree = config.read(yaml, sets)
        host = PluginHost.from_environment(None, config.plugins_of(tree))
        run = Run(config.resolve(tree, host), host, tmp_path / name, f"prefrl train {name}")
        if execute:
            run.execute()
        return run

    return learn


def fit_of(run: Run) -> dict[str, Any]:
    (line,) = (run.folder / "fits.jsonl").read_text().splitlines()
    fit: dict[str, Any] = json.loads(line)
    return fit


def distance(folder: Path, algorithm: Any) -> float:
    """From what the answers like, in fresh states, of the policy that SB3 itself loads."""
    model = algorithm.load(folder / "model.zip", device="cpu")
    angles, speeds = np.random.default_rng(1).uniform(-1, 1, (2, 200, 1)) * [[[np.pi]], [[6.0]]]
    obs = np.concatenate([np.cos(angles), np.sin(angles), speeds], 1)
    return float(np.abs(model.predict(obs, deterministic=True)[0] - wanted(obs)).mean())


@pytest.mark.parametrize(("algo", "algorithm"), [(PPO_ALGO, PPO), (SAC_ALGO, SAC)])
@pytest.mark.parametrize("log_prob", ["distance", "density"])
def test_a_policy_is_learned_without_reward_and_without_a_step(
    learn: Learn, algo: str, algorithm: Any, log_prob: str
) -> None:
    run = learn("cpl", algo, "algo.normalize=false", CPL, f"reward.log_prob={log_prob}", "procedure.clone=50")
    fit, manifest = fit_of(run), json.loads((run.folder / "manifest.json").read_text())
    assert (manifest["status"], manifest["steps"], fit["preferences"]) == ("ok", 0, PAIRS)
    assert fit["accuracy"] > 0.85
    assert distance(run.folder, algorithm) < 0.85  # random torque: 1.3
    assert len(evaluate_run(run.folder, 3).true_return) == 3
    assert any("preferences" in line for line in summary_lines(run.folder))


def test_imitation_of_the_better_clips_is_a_loss_like_any_other(learn: Learn) -> None:
    loss = "reward={model: policy, loss: {bc: {items: preferred}}, fit: {updates: 100, learning_rate: 3.0e-3}}"
    run = learn("bc", PPO_ALGO, "algo.normalize=false", loss)
    assert np.isnan(fit_of(run)["accuracy"])  # imitation predicts no answer
    assert distance(run.folder, PPO) < 1.2


def test_the_fitted_policy_goes_on_learning_by_reward(learn: Learn) -> None:
    first = learn("first", SAC_ALGO, CPL)
    again = learn("again", SAC_ALGO, f"procedure.start={first.folder}", "reward={hidden: [16], fit: {epochs: 5}}")
    ends, begins = (
        [json.loads(line) for line in (run.folder / "evaluations.jsonl").read_text().splitlines()]
        for run in (first, again)
    )
    assert begins[0]["true_return"] == ends[-1]["true_return"]
    assert [line["step"] for line in begins] == [0, 64, 128]
    assert json.loads((again.folder / "manifest.json").read_text())["gradient_steps"] > 0
    assert fit_of(again)["step"] == 0


def test_equal_settings_give_equal_policies(learn: Learn) -> None:
    one, two = (learn(name, PPO_ALGO, CPL, "procedure.clone=10", "reward.fit.updates=20") for name in ("one", "two"))
    assert (one.folder / "evaluations.jsonl").read_text() == (two.folder / "evaluations.jsonl").read_text()


@pytest.mark.parametrize(
    ("sets", "sentence"),
    [
        (["sources={oracle: {}}"], r"sources: the procedure 'offline' asks nobody"),
        ([CPL, "procedure={name: online}"], r"reward.model: 'policy' is the policy that learns, and pays it no reward"),
        (["procedure.start=nowhere"], r"nowhere: neither a run folder nor a saved policy"),
        ([CPL, "reward.loss=simpo", "algo={name: td3}", "reward.log_prob=density"], r"A TD3 policy is deterministic"),
    ],
)
def test_what_cannot_work_is_one_sentence(learn: Learn, sets: list[str], sentence: str) -> None:
    with pytest.raises(PrefrlError, match=sentence):
        learn("refused", *sets)


def test_a_policy_of_another_network_is_no_start(learn: Learn) -> None:
    first = learn("first", PPO_ALGO, CPL, "reward.fit.updates=1")
    with pytest.raises(ConfigError, match=r"procedure.start: .* another algorithm, task or network"):
        learn("other", SAC_ALGO, f"procedure.start={first.folder}")
