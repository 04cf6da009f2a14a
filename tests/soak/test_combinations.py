"""The long form of tests/procedures/test_combinations.py: every combination runs, with PPO and with SAC and its replay."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from types import ModuleType
from typing import Any

import pytest

NAMES = ("crop", "pseudo-labels", "bonus", "filter")
GRID = [chosen for size in range(5) for chosen in combinations(NAMES, size)]
SAC = [
    "algo={name: sac, n_timesteps: 400, batch_size: 16, replay: {recent: {steps: 100}}, policy_kwargs: {net_arch: [16]}}",
    "relabel.scale=false", "env.n_envs=1", "pretrain.steps=100", "evaluate.every=200",
]  # fmt: skip


@pytest.mark.parametrize("chosen", GRID, ids=lambda chosen: "+".join(chosen) or "none")
@pytest.mark.parametrize("sets", [[], SAC], ids=["ppo", "sac"])
def test_a_grid_of_combinations_runs(
    train: Callable[..., Any], program: Callable[[str], ModuleType], chosen: tuple[str, ...], sets: list[str]
) -> None:
    options = program("procedures/test_combinations.py").OPTIONS
    run = train("run", "reward.fit.epochs=2", *sets, *(options[name] for name in chosen))
    assert run.reward.version == 3
