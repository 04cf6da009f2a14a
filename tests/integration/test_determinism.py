"""Equal runs in processes of their own are equal to the digit, whatever order Python's sets have in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from prefrl.runs import metrics_hash, read_manifest
from prefrl.testing.resuming import differences

CONFIG = Path(__file__).parents[1] / "data" / "tiny_cheetah.yaml"
SETS = [  # every stage that could depend on the order of names: several sources, factors, rankings, crops
    "feedback={total: 8, rounds: 2, segment: 20, items: 3}",
    "sources={oracle: {order: 1}, ann: {use: oracle, error: 0.1, budget: 4}}",
    "reward.augment={crop: 3}",
    "algo.n_timesteps=512",
    "checkpoint.every=256",
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three finished runs, trained at the same time."""
    started, folders = [], []
    for hash_seed in ("0", "1", "random"):
        folders.append(tmp_path_factory.mktemp(f"seed-{hash_seed}") / "run")
        command = [sys.executable, "-m", "prefrl", "train", str(CONFIG), "--run", str(folders[-1])]
        command += [part for setting in SETS for part in ("--set", setting)]
        started.append(
            subprocess.Popen(command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, stdout=subprocess.DEVNULL)
        )
    assert [process.wait() for process in started] == [0, 0, 0]
    return folders


def test_three_equal_runs_have_one_metrics_hash(folders: list[Path]) -> None:
    hashes = {metrics_hash(folder) for folder in folders}
    assert hashes == {read_manifest(folder)["metrics"] for folder in folders}
    assert len(hashes) == 1


def test_they_share_policies_optimisers_and_generators_too(folders: list[Path]) -> None:
    assert differences(folders[0], folders[1]) == []
    assert differences(folders[0], folders[2]) == []


def test_the_hash_is_of_what_was_measured_and_not_of_seconds(folders: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(folders[0], copy)
    fits = (copy / "fits.jsonl").read_text()
    (copy / "fits.jsonl").write_text(fits.replace('"seconds": ', '"seconds": 1'))
    assert metrics_hash(copy) == metrics_hash(folders[0])
    (copy / "fits.jsonl").write_text(fits.replace('"preferences": 8', '"preferences": 9'))
    assert metrics_hash(copy) != metrics_hash(folders[0])
