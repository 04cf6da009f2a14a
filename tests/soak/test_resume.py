"""SIGKILL at 20 moments spread evenly over a run of PPO and one of SAC, five of them inside a checkpoint, a fit or a relabel."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefrl import cli
from prefrl.testing.resuming import Place, differences, killed

CONFIGS = Path(__file__).parents[2] / "configs"
RUNS = {
    "ppo": ["cheetah_200_pairs.yaml", "algo.n_timesteps=12288", "algo.n_epochs=5", "reward.fit.updates=20", "evaluate={every: 5000, episodes: 1, final_episodes: 1}", "checkpoint.every=1500"],
    "sac": ["bench/speed_sac.yaml", "algo.n_timesteps=3000", "algo.buffer_size=1500", "algo.policy_kwargs={net_arch: [64, 64]}",
            "algo.gradient_steps=1", "algo.train_freq=4", "pretrain.steps=1000", "evaluate={every: 1200, episodes: 1, final_episodes: 1}", "checkpoint.every=700"],
}  # fmt: skip
STEPS = {"ppo": 12_288 // 8, "sac": 3_000}  # of all environments at once
INSIDE: dict[str, dict[int, tuple[Place, int]]] = {  # which of the ten moments are inside what
    "ppo": {3: ("checkpoint", 6), 6: ("fit", 17), 8: ("relabel", 15)},
    "sac": {2: ("checkpoint", 4), 5: ("relabel", 5)},
}
MOMENTS = [
    (run, *INSIDE[run].get(tenth, ("step", round((tenth + 0.5) * STEPS[run] / 10))))
    for run in RUNS
    for tenth in range(10)
]


def arguments(run: str) -> list[str]:
    config, *sets = RUNS[run]
    return ["train", str(CONFIGS / config), *(part for value in sets for part in ("--set", value))]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for run in RUNS:
        folders[run] = tmp_path_factory.mktemp(run) / "run"
        assert cli.main([*arguments(run), "--run", str(folders[run])]) == 0
    return folders


@pytest.mark.parametrize(("run", "place", "count"), MOMENTS)
def test_a_run_killed_at_any_moment_ends_as_if_it_had_not_been(
    undisturbed: dict[str, Path], tmp_path: Path, run: str, place: Place, count: int
) -> None:
    folder = tmp_path / "run"
    assert killed([*arguments(run), "--run", str(folder)], place, count)
    assert cli.main(["train", "--resume", str(folder)]) == 0
    assert differences(undisturbed[run], folder) == []
