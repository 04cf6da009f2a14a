"""A small task and pieces of behaviour to score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from prefrl.specs import BuildContext
from prefrl.types import EnvInfo, Episode, Segment


@pytest.fixture
def env() -> EnvInfo:
    return EnvInfo("Toy-v0", (3,), (2,))


@pytest.fixture
def context(env: EnvInfo) -> BuildContext:
    return BuildContext(run="run", name="reward", seed=0, env=env)


@pytest.fixture
def segment() -> Callable[..., Segment]:
    def make(seed: int, steps: int = 4, **rest: Any) -> Segment:
        rng = np.random.default_rng(seed)
        return Segment.of(rng.normal(size=(steps + 1, 3)), rng.normal(size=(steps, 2)), **rest)

    return make


@pytest.fixture
def episode() -> Callable[..., Episode]:
    def make(seed: int, steps: int = 30, **rest: Any) -> Episode:
        rng = np.random.default_rng(seed)
        return Episode(f"e{seed}", rng.normal(size=(steps + 1, 3)), rng.normal(size=(steps, 2)), **rest)

    return make
