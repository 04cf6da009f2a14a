"""Predictions after thirty answers against the truth, for more people and tasks than the small form tries; prints the errors."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from prefrl_human.planner import infer, learn

SESSIONS = 40


@pytest.fixture(scope="module")
def small() -> ModuleType:
    spec = importlib.util.spec_from_file_location("small_planner_tests", Path(__file__).parents[1] / "test_planner.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("d", [4, 6, 8])
def test_the_median_prediction_is_within_a_quarter(small: ModuleType, d: int) -> None:
    features = small.pool(100, d)
    who = small.person(np.random.default_rng(100), d, "slips", 192)
    truth = learn(features, who, np.random.default_rng(101), 2).needed(small.TARGET)
    ratios = []
    for seed in range(SESSIONS):
        rng = np.random.default_rng([100, seed])
        given = np.array(small.orders(features, who, 30, rng))
        ratios.append(
            learn(features, infer(features[given[:, 0]] - features[given[:, 1]], rng), rng, 2).needed(small.TARGET)
            / truth
        )
    errors = np.abs(np.array(ratios) - 1)
    print(f"d {d}: {truth:.0f} needed, median error {np.median(errors):.0%}, {np.mean(errors <= 0.25):.0%} within 25%")
    assert np.median(errors) <= 0.25
