from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from prefrl.errors import ConfigError
from prefrl.learners.options import RecentOptions
from prefrl.learners.recency import Recent
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo

CONTEXT = BuildContext(run="r", name="replay", seed=0, env=EnvInfo("Toy-v0", (1,), (1,)))


@pytest.mark.parametrize("batch", [8, 9])
def test_half_of_a_batch_rounded_down_is_recent(batch: int) -> None:
    sampler = Recent(RecentOptions(steps=10), CONTEXT)
    rng = np.random.default_rng(0)
    rows = np.array([sampler.rows(1000, batch, rng) for _ in range(400)])
    half = batch // 2
    assert rows.shape == (400, batch)
    assert set(rows[:, :half].ravel()) == set(range(990, 1000))
    rest = rows[:, half:].ravel()
    assert rest.min() < 50
    assert rest.max() > 950
    assert abs(np.mean(rest) - 499.5) < 40


def test_while_everything_is_recent_everything_is_drawn() -> None:
    rows = Recent(RecentOptions(steps=100), CONTEXT).rows(5, 256, np.random.default_rng(0))
    assert set(rows) == set(range(5))


def test_a_replay_buffer_is_asked_by_age_and_ppo_has_none(train: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="'ppo' keeps no transitions that 'recent' could choose from"):
        train("ppo", "algo.replay=recent")
