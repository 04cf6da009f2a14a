"""Options of methods are orthogonal: off they are not there, and any of them go together."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

from prefrl.runs import metrics_hash

OPTIONS = {
    "crop": "reward.augment={crop: 2}",
    "pseudo-labels": "reward.unlabelled={pairs: 8, threshold: 0.6, batches: 1}",
    "bonus": "relabel.bonus={disagreement: {beta: 0.5}}",
    "filter": "reward.filters=[rime]",
}
OFF = [
    "reward.augment=[]", "reward.unlabelled=null", "relabel.bonus=[]", "reward.filters=[]", "algo.replay=[]", "relabel.kl=0.0",
]  # fmt: skip
GRID = [chosen for size in range(5) for chosen in combinations(OPTIONS, size)]


SHORT = [
    "algo.n_timesteps=384",
    "pretrain.steps=128",
    "feedback={total: 4, rounds: 2, segment: 20}",
    "evaluate.every=384",
]


@pytest.mark.parametrize("sets", [OFF, ["relabel.bonus={disagreement: {beta: 0.0}}"]], ids=["off", "of no weight"])
def test_every_option_off_is_the_baseline(train: Callable[..., Any], sets: list[str]) -> None:
    runs = [train(name, *SHORT, *more).folder for name, more in (("a", []), ("b", sets))]
    assert metrics_hash(runs[0]) == metrics_hash(runs[1])


@pytest.mark.parametrize("chosen", GRID, ids=lambda chosen: "+".join(chosen) or "none")
def test_a_grid_of_combinations_is_built(train: Callable[..., Any], chosen: tuple[str, ...]) -> None:
    assert train("run", *(OPTIONS[name] for name in chosen), execute=False).settings


@pytest.mark.parametrize("model", ["ensemble", "dynamics", "transformer"])
def test_all_of_them_run_together_with_every_reward_model(train: Callable[..., Any], model: str) -> None:
    small = {
        "ensemble": "{model: ensemble, members: 2, hidden: [16]}",
        "dynamics": "{model: dynamics, members: 2, hidden: [16], updates: 3, state: 4, action: 2}",
        "transformer": "{model: transformer, members: 2, width: 8, heads: 2, context: 4}",
    }[model]
    sets = [f"reward={small}", "reward.fit={epochs: 2, validation: 0}", "algo.n_timesteps=512", *OPTIONS.values()]
    run = train("run", *sets)
    assert run.reward.version == 3
