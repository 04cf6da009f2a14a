from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from prefrl.specs import BuildContext, named_rng
from prefrl.types import EnvInfo


def test_generators_depend_on_their_name_alone() -> None:
    def draw(seed: int, *path: str | int) -> float:
        return float(named_rng(seed, *path).random())

    assert draw(0, "a", 1) == draw(0, "a", 1)
    assert len({draw(0, "a", 1), draw(1, "a", 1), draw(0, "a", 2), draw(0, "b", 1), draw(0, "a"), draw(0, "a1")}) == 6
    context = BuildContext("run", "oracle", 3, EnvInfo("A", (2,), (1,)), folder=Path())
    np.testing.assert_array_equal(context.rng("x").random(3), named_rng(3, "oracle", "x").random(3))


def test_a_renamed_run_draws_the_same_and_another_instance_does_not() -> None:
    def drawn(run: str, name: str) -> float:
        return float(BuildContext(run, name, 3, EnvInfo("A", (2,), (1,))).rng("x").random())

    assert drawn("run", "oracle") == drawn("other", "oracle") != drawn("run", "careful")


def test_generators_are_the_same_in_every_process() -> None:
    code = "from prefrl.specs import named_rng; print(named_rng(5, 'run', 'oracle', 2).random())"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONHASHSEED": seed})
        for seed in "12"
    ]
    assert runs[0].stdout == runs[1].stdout == f"{named_rng(5, 'run', 'oracle', 2).random()}\n"
