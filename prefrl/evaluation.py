"""A policy and an untouched environment in, deterministic episodes and what they say of policy and reward model out."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from gymnasium import spaces
from stable_baselines3 import PPO, SAC, TD3

from prefrl.errors import ConfigError, RunError, choices
from prefrl.policies import SB3Policy, beside
from prefrl.rollout.environments import flat, make
from prefrl.rollout.recording import KEY, RecordedEnv, Track
from prefrl.runs import read_env
from prefrl.settings import EnvSettings
from prefrl.statistics import spearman
from prefrl.types import Array, EnvInfo, Episode, Evaluation

if TYPE_CHECKING:
    from prefrl.specs import Policy, Pool, RewardModel

ALGORITHMS: dict[str, type[PPO | SAC | TD3]] = {
    "ppo": PPO,
    "sac": SAC,
    "td3": TD3,
}  # whose model.zip can be loaded again
FIRST_SEED = 10_000  # evaluation seeds are FIRST_SEED + i, so that no training seed is among them


class Evaluator:
    """Steps copies of the task in lockstep; nothing but what a policy returns reaches them."""

    def __init__(self, settings: EnvSettings, info: EnvInfo) -> None:
        self._settings, self._info = settings, info
        self._envs: list[RecordedEnv] = []

    def episodes(self, policy: Policy, seeds: Sequence[int]) -> list[Episode]:
        """One whole episode per seed, with deterministic actions."""
        while len(self._envs) < len(seeds):
            self._envs.append(RecordedEnv(make(self._settings), self._info))
        envs = self._envs[: len(seeds)]
        tracks = [self._begin(env, i, seed) for i, (env, seed) in enumerate(zip(envs, seeds, strict=True))]
        running = list(range(len(seeds)))
        latest = [track.rows["obs"][0] for track in tracks]
        while running:
            actions = policy.act(np.stack([latest[i] for i in running]))
            for i, action in zip(list(running), actions, strict=True):
                obs, _, terminated, truncated, info = envs[i].step(action)
                latest[i] = flat(envs[i].observation_space, obs)
                tracks[i].add(latest[i], info[KEY])
                tracks[i].terminated, tracks[i].truncated = terminated, truncated
                reached = info.get("success", info.get("is_success"))
                tracks[i].success = None if reached is None else float(reached)
                if terminated or truncated:
                    running.remove(i)
        self.success = None if any(t.success is None for t in tracks) else tuple(float(t.success or 0) for t in tracks)
        return [track.view() for track in tracks]

    def _begin(self, env: RecordedEnv, index: int, seed: int) -> Track:
        obs, info = env.reset(seed=seed)
        track = Track(f"evaluation/{seed}", self._info.id, index, 0)
        track.reset(flat(env.observation_space, obs), info[KEY]["state"])
        return track

    def action_space(self) -> spaces.Space[Any]:
        """Of the task."""
        if not self._envs:
            self._envs.append(RecordedEnv(make(self._settings), self._info))
        return self._envs[0].action_space

    def close(self) -> None:
        for env in self._envs:
            env.close()
        self._envs = []


def summarise(
    episodes: Sequence[Episode],
    seeds: Sequence[int],
    success: tuple[float, ...] | None,
    learned: Sequence[Array],
    *,
    step: int,
    preferences: int,
    agreement: tuple[float, float],
) -> Evaluation:
    """The record of one evaluation; `learned` holds each episode's per-step learned reward."""
    return Evaluation(
        step=step,
        preferences=preferences,
        seeds=tuple(seeds),
        true_return=tuple(float(np.sum(np.asarray(episode.true_reward))) for episode in episodes),
        learned_return=tuple(float(reward.sum()) for reward in learned),
        length=tuple(len(episode) for episode in episodes),
        success=success,
        rank_correlation=agreement[0],
        accuracy=agreement[1],
    )


def learned_rewards(reward: RewardModel, episodes: Sequence[Episode]) -> list[Array]:
    """Per-step learned reward of each episode."""
    values = np.asarray(reward.rewards(episodes)["reward"])
    return np.split(values, np.cumsum([len(episode) for episode in episodes])[:-1])


def paired_returns(
    pool: Pool, reward: RewardModel, n: int, length: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """(learned, true) returns of `n` random segments of all that was recorded."""
    segments = [pool.segment(cut) for cut in pool.sample(n, length, rng)]
    learned = reward.returns(segments).mean(0)
    return learned, np.array([np.sum(np.asarray(segment.true_reward)) for segment in segments])


def agreement(learned: Array, true: Array) -> tuple[float, float]:
    """Spearman's rank correlation, and the share of random pairs ordered as the true return orders them."""
    half = len(true) // 2
    wanted = np.sign(true[:half] - true[half : 2 * half])
    given = np.sign(learned[:half] - learned[half : 2 * half])
    right = np.where(given == 0, 0.5, given == wanted)  # as the metrics of the losses count it
    return spearman(learned, true), float(right[wanted != 0].mean()) if wanted.any() else float("nan")


def evaluate_run(folder: Path, episodes: int) -> Evaluation:
    """Evaluate the final policy of a finished run again."""
    env = read_env(folder)
    plain = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    evaluator = Evaluator(EnvSettings.model_validate(plain["env"]), env)
    seeds = [FIRST_SEED + i for i in range(episodes)]
    try:
        recorded = evaluator.episodes(final_policy(folder, plain["algo"]["name"]), seeds)
    finally:
        evaluator.close()
    unknown = [np.full(len(episode), np.nan) for episode in recorded]
    nan = float("nan")
    return summarise(
        recorded,
        seeds,
        evaluator.success,
        unknown,
        step=plain["algo"]["n_timesteps"],
        preferences=0,
        agreement=(nan, nan),
    )


def final_policy(folder: Path, algorithm: str) -> SB3Policy:
    """Of a finished run."""
    if not (folder / "model.zip").exists():
        raise RunError(f"{folder}: the run has no final policy (model.zip); it did not end well.")
    return saved_policy(folder / "model.zip", algorithm)


def named_policy(name: str, algorithm: str, env: EnvInfo) -> SB3Policy:
    """The final policy of a run folder, or an SB3 zip of `algorithm`; ConfigError unless it fits `env`."""
    path = Path(name)
    if (path / "config.yaml").is_file():
        plain = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
        policy = final_policy(path, plain["algo"]["name"])
    elif path.is_file():
        policy = _loaded(path, algorithm)
    else:
        raise ConfigError(f"{name}: neither a run folder nor a saved policy.")
    if policy.shapes != (env.obs_shape, env.action_shape):
        raise ConfigError(
            f"{name}: it takes observations of shape {policy.shapes[0]} and acts in shape {policy.shapes[1]}; "
            f"{env.id} has {env.obs_shape} and {env.action_shape}."
        )
    return policy


def _loaded(path: Path, algorithm: str) -> SB3Policy:
    try:
        return saved_policy(path, algorithm)
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError, RuntimeError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"{path}: is no policy that SB3's {algorithm} saved ({error}); algo.name says whose it is."
        ) from error


def saved_policy(path: Path, algorithm: str) -> SB3Policy:
    """The user's own SB3 file, with the observation statistics beside it: both unpickle, so only one's own are to be given."""
    if algorithm not in ALGORITHMS:
        raise RunError(f"{path}: cannot load a policy of algo '{algorithm}'. {choices(algorithm, ALGORITHMS)}")
    unused = {"buffer_size": 1}  # of the replay buffer SB3 makes when it loads
    model = ALGORITHMS[algorithm].load(path, device="cpu", custom_objects=unused)
    statistics = beside(path)
    normalize = None
    if statistics.exists():
        with statistics.open("rb") as file:
            normalize = pickle.load(file)  # noqa: S301 - the user's own file, said above
    return SB3Policy(model, normalize)
