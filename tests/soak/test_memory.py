"""The judgement of `tests/soak/memory.py` on samples whose slope is known."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def memory(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("soak/memory.py")


def samples(memory: ModuleType, rise: float, noise: float = 0.2, files: int = 0) -> list:
    """Half an hour, a sample every five seconds; `rise` in MB/h, `files` opened and never closed."""
    rng = np.random.default_rng(0)
    return [
        memory.Sample(5.0 * i, 400 + rise * 5 * i / 3600 + noise * rng.normal(), 600.0, 12 + files * i // 360)
        for i in range(360)
    ]


@pytest.mark.parametrize(
    ("rise", "noise", "files", "code", "words"),
    [
        (0.0, 0.2, 0, 0, "constant"),
        (0.5, 0.2, 0, 0, "does not grow"),
        (2.0, 0.2, 0, 1, "GROWS"),
        (-3.0, 0.2, 0, 0, "does not grow"),
        (2.0, 30.0, 0, 0, "too short to tell"),
        (0.0, 0.2, 3, 1, "descriptors: 12 to 14: GROW"),
    ],
)
def test_a_slope_is_told_from_noise(
    memory: ModuleType, rise: float, noise: float, files: int, code: int, words: str
) -> None:
    found, said = memory.verdict(samples(memory, rise, noise, files))
    assert (found, words in said) == (code, True), said


def test_few_samples_judge_nothing(memory: ModuleType) -> None:
    code, said = memory.verdict(samples(memory, 100.0)[:2])
    assert code == 0
    assert "too short to tell" in said


def test_durations(memory: ModuleType) -> None:
    assert [memory.seconds(text) for text in ("90s", "40m", "1.5h")] == [90, 2400, 5400]
    with pytest.raises(argparse.ArgumentTypeError, match="write 90s, 40m or 8h"):
        memory.seconds("40")
