"""Killed and gone on with, a run ends as if nothing had happened: bit for bit, and asking nothing twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefrl import cli
from prefrl.testing.resuming import Place, differences, killed

TINY = Path(__file__).parents[1] / "data"
MOMENTS: list[tuple[str, Place, int]] = [
    ("tiny_cheetah.yaml", "step", 290),
    ("tiny_cheetah.yaml", "checkpoint", 3),
    ("tiny_sac.yaml", "fit", 3),
    ("tiny_sac.yaml", "step", 350),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for config in {config for config, _, _ in MOMENTS}:
        folders[config] = tmp_path_factory.mktemp("undisturbed") / "run"
        assert cli.main(["train", str(TINY / config), "--run", str(folders[config])]) == 0
    return folders


@pytest.mark.parametrize(("config", "place", "count"), MOMENTS)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    undisturbed: dict[str, Path], tmp_path: Path, config: str, place: Place, count: int
) -> None:
    run = tmp_path / "run"
    assert killed(["train", str(TINY / config), "--run", str(run)], place, count)
    assert cli.main(["train", "--resume", str(run)]) == 0
    assert differences(undisturbed[config], run) == []
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "ok"
    assert manifest["resumed"][0]["exact"] is True
