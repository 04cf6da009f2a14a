"""An asked-for error rate is the measured one, in environments whose rewards have nothing in common."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import prefrl_oracle
from prefrl.segments import SegmentPool
from prefrl.specs import AskContext, BuildContext
from prefrl.types import EnvInfo, Episode, Query, Segment, Tiers

SPEC, *_ = prefrl_oracle.prefrl_register_sources()
TASKS = ["HalfCheetah-v5", "Hopper-v5", "Pendulum-v1", "Reacher-v5", "prefrl_envs:Reach-v0"]
STEPS, LENGTH = 1200, 15


def random_pool(task: str) -> SegmentPool:
    """STEPS steps of uniformly random actions."""
    env = gym.make(task)
    env.action_space.seed(0)
    episodes: list[Episode] = []
    steps = 0
    while steps < STEPS:
        obs, actions, rewards = [env.reset(seed=steps)[0]], [], []
        ended = False
        while not ended:
            action = env.action_space.sample()
            one, reward, terminated, truncated, _ = env.step(action)
            obs.append(one)
            actions.append(action)
            rewards.append(float(reward))
            ended = terminated or truncated or steps + len(actions) == STEPS
        rows = np.stack(obs), np.stack(actions), np.array(rewards)
        episodes.append(Episode(str(steps), *rows, terminated=terminated, truncated=True, begin=steps))
        steps += len(actions)
    env.close()
    return SegmentPool(episodes, steps, 1)


def drawn(pool: SegmentPool, n: int, k: int) -> list[Query]:
    rng = np.random.default_rng(1)
    clips = [pool.segment(cut) for cut in pool.sample(n * k, LENGTH, rng)]
    kind = "pair" if k == 2 else "ranking"
    return [Query.of("run", i, clips[i * k : (i + 1) * k], kind=kind) for i in range(n)]


def measured(pool: SegmentPool, queries: list[Query], error: float) -> float:
    """Share of pairs of different return that are answered the wrong way round."""
    source = SPEC.build(SPEC.options(error=error), BuildContext("run", "oracle", 0, EnvInfo("Any-v0", (1,), (1,))))
    wrong = total = 0
    answers = source.label(queries, AskContext(0, 1, np.random.default_rng(), pool=pool))
    for query, answer in zip(queries, answers, strict=True):
        assert isinstance(answer.answer, Tiers)
        returns = [item.true_reward.sum() for item in query.items if isinstance(item, Segment)]  # type: ignore[union-attr]
        ranks = answer.answer.ranks(len(returns))
        pairs = [(i, j) for i in range(len(returns)) for j in range(i) if returns[i] != returns[j]]
        wrong += sum((ranks[i] < ranks[j]) != (returns[i] > returns[j]) for i, j in pairs)
        total += len(pairs)
    return wrong / total


@pytest.mark.parametrize("task", TASKS)
def test_ten_percent_is_ten_percent(task: str) -> None:
    pool = random_pool(task)
    assert measured(pool, drawn(pool, 1500, 2), 0.1) == pytest.approx(0.1, abs=0.02)


def test_no_error_is_none_and_any_other_is_that_of_the_pairs_of_a_ranking_too() -> None:
    pool = random_pool("Pendulum-v1")
    rankings = drawn(pool, 500, 4)
    assert measured(pool, rankings, 0.0) == 0.0
    assert measured(pool, rankings, 0.1) == pytest.approx(0.1, abs=0.02)
    assert measured(pool, rankings, 0.3) == pytest.approx(0.3, abs=0.02)
