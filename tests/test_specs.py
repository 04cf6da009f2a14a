from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from prefrl.options import NoOptions, Options
from prefrl.specs import BuildContext, SourceSpec, lazy, named_rng
from prefrl.types import EnvInfo


class Noise(Options):
    privileged: bool = False


def test_a_lazy_builder_imports_when_called_and_says_what_it_builds() -> None:
    build = lazy("fractions:Fraction")
    assert build.__name__ == "fractions:Fraction"
    assert build(1, denominator=2).denominator == 2
    code = (
        "import sys; from prefrl.specs import lazy; lazy('colorsys:rgb_to_hsv'); assert 'colorsys' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_needs_may_depend_on_the_options() -> None:
    fixed = SourceSpec(name="a", summary="", build=dict, needs=frozenset({"frames"}))
    assert fixed.needs_of(NoOptions()) == {"frames"}
    chosen = SourceSpec(
        name="a",
        summary="",
        build=dict,
        options=Noise,
        needs=lambda noise: frozenset({"true_reward"} if noise.privileged else ()),
    )
    assert chosen.needs_of(Noise()) == frozenset()
    assert chosen.needs_of(Noise(privileged=True)) == {"true_reward"}


def test_a_spec_is_frozen() -> None:
    spec = SourceSpec(name="a", summary="", build=dict)
    with pytest.raises(FrozenInstanceError):
        spec.name = "b"  # type: ignore[misc]


def test_generators_depend_on_their_name_alone() -> None:
    def draw(seed: int, *path: str | int) -> float:
        return float(named_rng(seed, *path).random())

    assert draw(0, "a", 1) == draw(0, "a", 1)
    assert len({draw(0, "a", 1), draw(1, "a", 1), draw(0, "a", 2), draw(0, "b", 1), draw(0, "a"), draw(0, "a1")}) == 6
    context = BuildContext("run", "oracle", 3, EnvInfo("A", (2,), (1,)), folder=Path())
    np.testing.assert_array_equal(context.rng("x").random(3), named_rng(3, "run", "oracle", "x").random(3))


def test_generators_are_the_same_in_every_process() -> None:
    code = "from prefrl.specs import named_rng; print(named_rng(5, 'run', 'oracle', 2).random())"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONHASHSEED": seed})
        for seed in "12"
    ]
    assert runs[0].stdout == runs[1].stdout == f"{named_rng(5, 'run', 'oracle', 2).random()}\n"
