from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest

from prefrl.options import NoOptions, Options
from prefrl.specs import SourceSpec, lazy


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
