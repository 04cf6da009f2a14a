"""A thousand candidates in a row: memory stays flat, no descriptor and no process is left."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from prefrl.sandbox import Box, Limits, ProgramFault

SHAPES = {"obs": (17,), "action": (6,), "next_obs": (17,), "factors.speed": ()}
HEAD = "def reward(obs, action, next_obs, factors):\n    "
PROGRAMS = [
    HEAD + "return next_obs[:, 0] * {n}, {{'a': obs[:, 1]}}\n",
    HEAD + "return np.log(obs[:, 0] - {n}), {{}}\n",
    "import os\n",
    HEAD + "x = [np.zeros(10 ** 6) for i in range(10 ** 6)]\n    return x[0], {{}}\n",
]
GROWTH = 8 << 20  # bytes


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.usefixtures("sandbox")
def test_a_thousand_candidates(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    batch = {name: rng.normal(size=(256, *shape)) for name, shape in SHAPES.items()}
    memory: list[int] = []
    descriptors: list[int] = []
    for number in range(1000):
        try:
            with Box(PROGRAMS[number % 4].format(n=number), SHAPES, limits=Limits(seconds=20)) as box:
                for _ in range(3):
                    box(batch)
        except ProgramFault:
            assert number % 4
        if number % 100 == 99:
            memory.append(resident())
            descriptors.append(len(list(Path("/proc/self/fd").iterdir())))
    with capsys.disabled():
        sys.stdout.write(
            f"resident MiB after each hundred: {[round(size / 2**20, 1) for size in memory]}, descriptors {descriptors}\n"
        )
    assert memory[-1] - memory[0] < GROWTH
    assert len(set(descriptors)) == 1
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert children == []
