"""What the offline measurements of this folder share: a task in; clips, answers, fitted ensembles and their accuracy out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from prefrl.fit import Trainer, gather
from prefrl.losses import PrefLoss
from prefrl.rewards.ensemble import Ensemble
from prefrl.rewards.options import EnsembleOptions
from prefrl.rollout.environments import describe, flat, make
from prefrl.settings import EnvSettings, FitSettings
from prefrl.specs import AskContext, BuildContext, LabelFilter
from prefrl.types import Array, EnvInfo, Episode, Preference, Query, RewardFit, Segment
from prefrl_oracle.options import OracleOptions
from prefrl_oracle.oracle import Oracle

STEPS = 25  # of a clip
SMOOTH = 0.9  # how much of an action the next one keeps: white noise would average out before it moves anything
NOBODY = AskContext(0, 0, np.random.default_rng(0))


def clips(settings: EnvSettings, n: int, seed: int, steps: int = STEPS) -> tuple[list[Segment], EnvInfo]:
    """`n` clips of drifting random actions, several strengths, with their true rewards."""
    env, rng, found = make(settings), np.random.default_rng(seed), []
    info = describe(env, settings.id)
    env.reset(seed=seed)
    obs, _ = env.reset()
    while len(found) < n:
        strength, action = rng.uniform(0.2, 2.0), np.zeros(info.action_shape)
        rows, actions, rewards = [flat(env.observation_space, obs)], [], []
        for _ in range(steps):
            action = SMOOTH * action + (1 - SMOOTH**2) ** 0.5 * rng.normal(size=info.action_shape)
            executed = np.clip(strength * action, -1, 1).astype(np.float32)
            obs, reward, terminated, truncated, _ = env.step(executed)
            rows.append(flat(env.observation_space, obs))
            actions.append(executed)
            rewards.append(float(reward))
            if terminated or truncated:
                obs, _ = env.reset()
                break
        if len(actions) == steps:
            found.append(
                Segment.of(np.array(rows), np.array(actions), true_reward=np.array(rewards), env_id=settings.id)
            )
    env.close()
    return found, info


def questions(items: Sequence[Segment], seed: int) -> list[Query]:
    """Pairs of consecutive clips."""
    return [Query.of(f"offline/{seed}", i, items[2 * i : 2 * i + 2]) for i in range(len(items) // 2)]


def returns(items: Sequence[Segment]) -> Array:
    """(N,) true return of each clip."""
    return np.array([np.sum(item.true_reward) for item in items])


def oracle(name: str, mistake: float, seed: int, info: EnvInfo) -> Oracle:
    """A teacher that is wrong about a share of all questions, however clear."""
    return Oracle(OracleOptions(mistake=mistake), BuildContext("offline", name, seed, info))


def told(source: Oracle, queries: Sequence[Query]) -> list[Preference]:
    """Its answers."""
    return list(source.label(queries, NOBODY))


def fitted(
    answers: Sequence[Preference],
    queries: Sequence[Query],
    info: EnvInfo,
    loss: PrefLoss,
    filters: Sequence[LabelFilter],
    settings: FitSettings,
    seed: int,
) -> tuple[Ensemble, RewardFit]:
    """An ensemble fitted to the answers once."""
    torch.set_num_threads(1)
    reward = Ensemble(EnsembleOptions(members=1, hidden=(64, 64)), BuildContext("offline", "reward", seed, info))
    items = [item for query in queries for item in query.items if isinstance(item, Segment)]
    reward.observe([Episode(item.id, item.obs, item.action) for item in items])
    made = gather(answers, {query.id: query for query in queries}, {}, reward, settings.validation)
    return reward, Trainer(reward, loss, settings, (), filters, seed).fit(made, 1, 0)


def accuracy(reward: Ensemble, items: Sequence[Segment]) -> float:
    """Share of random pairs of clips that the learned return orders as the true one."""
    true, learned = returns(items), reward.returns(items).mean(0)
    rng = np.random.default_rng(0)
    one, other = rng.integers(len(items), size=(2, 20_000))
    told_apart = true[one] != true[other]
    right = (true[one] - true[other]) * (learned[one] - learned[other]) > 0
    return float(right[told_apart].mean())
