"""A suite that is killed at random five times ends as one that was left alone, byte for byte but for wall-clock columns."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from prefrl.bench.rows import WALL_CLOCK

SUITE = Path(__file__).parents[1] / "data" / "tiny_suite.yaml"
KILLS = 5


def started(out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "prefrl", "bench", str(SUITE), "--out", str(out), "--jobs", "2"])


def untimed(out: Path) -> str:
    rows = list(csv.reader((out / "results.csv").read_text(encoding="utf-8").splitlines()))
    kept = [i for i, name in enumerate(rows[0]) if name not in WALL_CLOCK]
    return "\n".join(",".join(row[i] for i in kept) for row in rows)


def test_killed_at_random_five_times_the_results_are_the_same_bytes(tmp_path: Path) -> None:
    begun = time.monotonic()
    assert started(tmp_path / "alone").wait() == 0
    whole = time.monotonic() - begun
    rng, killed = random.Random(0), 0
    for _ in range(KILLS):
        process = started(tmp_path / "killed")
        try:
            process.wait(rng.uniform(0.15, 0.4) * whole)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
    assert killed > 0
    assert started(tmp_path / "killed").wait() == 0
    assert untimed(tmp_path / "killed") == untimed(tmp_path / "alone")
    assert not (tmp_path / "killed" / "running").exists()
