"""Killed and gone on with, a run ends as if nothing had happened: bit for bit, and asking nothing twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from prefrl import cli
from prefrl.rollout import vectorised
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


class Opaque(gym.Wrapper[Any, Any, Any, Any]):
    """Its state cannot be seen."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.noise = np.random.RandomState(3)


@pytest.mark.parametrize("config", ["tiny_cheetah.yaml", "tiny_sac.yaml"])
def test_where_the_environment_cannot_be_saved_new_episodes_begin_and_the_run_says_so(
    tmp_path: Path, config: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make = vectorised.make
    monkeypatch.setattr(vectorised, "make", lambda settings: Opaque(make(settings)))
    run = tmp_path / "run"
    assert killed(["train", str(TINY / config), "--run", str(run)], "step", 330)
    assert cli.main(["train", "--resume", str(run)]) == 0
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["resumed"][0]["exact"] is False
    assert manifest["resumed"][0]["step"] > 0
    assert "resumed at the beginning of new episodes" in caplog.text
    fits = [json.loads(line) for line in (run / "fits.jsonl").read_text().splitlines()]
    assert [fit["preferences"] for fit in fits] == [4, 8, 12]


def test_a_run_whose_checkpoints_are_all_damaged_begins_again_and_asks_nothing_twice(
    undisturbed: dict[str, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert killed(["train", str(TINY / "tiny_cheetah.yaml"), "--run", str(run)], "step", 370)
    for state in (run / "checkpoints").glob("state_*"):
        state.write_bytes(state.read_bytes()[:-50])
    assert killed(["train", "--resume", str(run)], "answer", 1) is False, "every answer was there"
    assert differences(undisturbed["tiny_cheetah.yaml"], run) == []
