"""The long form of test_procedure: real policies, and kill -9 of the whole run in each phase."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

BASE = {
    "env": {"id": "prefrl_envs:Reach-v0", "n_envs": 2},
    "algo": {"name": "ppo", "n_timesteps": 4096, "n_steps": 64, "batch_size": 64, "n_epochs": 2},
    "evaluate": {"every": 100_000, "episodes": 2, "final_episodes": 2}, "checkpoint": {"every": 512},
    "reward": {"members": 1, "hidden": [4]}, "sources": {"oracle": {}}, "feedback": {"items": 2, "segment": 50}, "run": {"seed": 3},
}  # fmt: skip
PHASES: dict[str, Callable[[Path], bool]] = {
    "a reply has come": lambda run: (run / "icpl/replies/round-1-a.json").exists(),
    "a policy learns": lambda run: any((run / "icpl/policies/round-1-a/checkpoints").glob("*")),
    "the second policy learns": lambda run: any((run / "icpl/policies/round-1-b/checkpoints").glob("*")),
    "a round has been ranked": lambda run: (run / "icpl/rounds.json").exists(),
    "the second round's replies": lambda run: (run / "icpl/replies/round-2-a.json").exists(),
    "the second round's policies": lambda run: (run / "icpl/policies/round-2-b/manifest.json").exists(),
}


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "prefrl", "train", *arguments],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ,
        )


def rounds(folder: Path) -> list[dict[str, Any]]:
    said = json.loads((folder / "runs/run/icpl/rounds.json").read_text())
    return [{key: value for key, value in one.items() if key != "seconds"} for one in said]


@pytest.fixture
def written(fake: Any, tmp_path: Path) -> Callable[[str], Path]:
    def write(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        chat = {"base_url": fake.url, "model": "m"}
        settings = {**BASE, "procedure": {"name": "icpl", "candidates": 2, "rounds": 2, "processes": 1, "chat": chat}}
        (folder / "run.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        fake.asked.clear()
        fake.paid = 0
        return folder

    return write


@pytest.mark.usefixtures("sandbox")
def test_kill_9_in_each_phase(fake: Any, written: Callable[[str], Path]) -> None:
    reference = written("reference")
    assert started(reference, "run.yaml", "--run", "runs/run").wait() == 0
    whole, paid = rounds(reference), fake.paid
    for number, (phase, reached) in enumerate(PHASES.items()):
        folder = written(f"killed-{number}")
        process = started(folder, "run.yaml", "--run", "runs/run")
        while not reached(folder / "runs/run"):
            assert process.poll() is None, (phase, (folder / "log.txt").read_text()[-2000:])
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert started(folder, "--resume", "runs/run").wait() == 0, (phase, (folder / "log.txt").read_text()[-2000:])
        assert rounds(folder) == whole, phase
        assert fake.paid == paid, phase
