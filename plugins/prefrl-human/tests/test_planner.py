"""After thirty answers the planner says how many are needed, and of which kind, near to what simulated people truly need.

The long form, with more people and settings, is tests/soak/test_planner.py of this distribution.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, isinf

import numpy as np
import pytest

from prefrl_human.planner import STEEP, Curve, Floats, Plan, Sample, infer, learn, plan, slope_of

ERROR, TARGET = 0.1, 0.9


def pool(seed: int, d: int) -> Floats:
    """(60, d) uncorrelated features of mean 0 and variance 1."""
    raw = np.random.default_rng(seed).normal(size=(60, d))
    left, _, _ = np.linalg.svd(raw - raw.mean(0), full_matrices=False)
    return left * np.sqrt(60)


def person(rng: np.random.Generator, d: int, shape: str, copies: int) -> Sample:
    weights = rng.normal(size=d)
    slope, lapse = (STEEP, ERROR) if shape == "slips" else (slope_of(ERROR), 0.0)
    return Sample(
        np.tile(weights / np.linalg.norm(weights), (copies, 1)), np.full(copies, slope), np.full(copies, lapse)
    )


def orders(features: Floats, who: Sample, n: int, rng: np.random.Generator) -> list[list[int]]:
    """`n` answers about pairs, the better row first."""
    found = []
    for _ in range(n):
        a, b = rng.choice(len(features), 2, replace=False).tolist()
        worth = (features[a] - features[b]) @ who.weights[0] / np.sqrt(2) * who.slope[0]
        right = 1 / (1 + np.exp(-np.clip(worth, -50, 50)))
        first = rng.random() < who.lapse[0] + (1 - 2 * who.lapse[0]) * right
        found.append([a, b] if first else [b, a])
    return found


@pytest.mark.parametrize(("shape", "least"), [("slips", 0.25), ("near ties", 0.4)])
def test_predictions_are_near_the_truth(shape: str, least: float) -> None:
    """Oracles that err in a tenth of pairs, with a known curve; the median of five sessions is within a quarter.

    Who errs near ties alone needs fewer answers than thirty of them can show.
    """
    features = pool(100, 5)
    who = person(np.random.default_rng(100), 5, shape, 96)
    truth = learn(features, who, np.random.default_rng(101), 2).needed(TARGET)
    ratios = []
    for seed in range(5):
        rng = np.random.default_rng([100, seed])
        given = np.array(orders(features, who, 30, rng))
        people = infer(features[given[:, 0]] - features[given[:, 1]], rng)
        ratios.append(learn(features, people, rng, 2).needed(TARGET) / truth)
    assert np.median(np.abs(np.array(ratios) - 1)) <= least, ratios


def test_a_plan_says_both_kinds_and_the_cheaper_one() -> None:
    features, rng = pool(102, 4), np.random.default_rng(102)
    who = person(rng, 4, "slips", 1)
    assert plan(features, orders(features, who, 29, rng), rng, seconds=(4.0, 8.0)) is None
    found = plan(features, orders(features, who, 30, rng), rng, seconds=(4.0, 8.0), target=TARGET)
    assert found is not None
    pairs, rankings = found.needed
    assert 4 < rankings < pairs < 400
    assert found.recommended == "rankings"  # six pairs for the time of two
    assert replace(found, seconds=(4.0, 4000.0)).recommended == "pairs"
    assert f"About {pairs:.0f} pairs ({pairs * 4 / 60:.0f} min) or {rankings:.0f} rankings of 4" in found.sentence
    assert "rankings take this person less time" in found.sentence


def test_what_is_out_of_reach_is_said() -> None:
    flat = Curve(np.array([4, 400]), np.array([0.5, 0.6]))
    steep = Curve(np.array([4, 100, 400]), np.array([0.5, 0.8, 0.9]))
    assert isinf(flat.needed(0.85))
    assert steep.needed(0.85) == pytest.approx(200)
    never = Plan(30, 0.85, flat, flat, 4, (1.0, 2.0))
    assert "85% is out of reach" in never.sentence
    assert "about 60%" in never.sentence
    half = Plan(30, 0.85, flat, steep, 4, (1.0, 2.0))
    assert half.needed == (inf, pytest.approx(200))
    assert "no number of pairs or 200 rankings of 4" in half.sentence
    assert half.recommended == "rankings"


def test_errors_and_slopes_belong_together() -> None:
    rng = np.random.default_rng(103)
    for error in (0.05, 0.1, 0.25):
        margins = rng.normal(size=20_000)
        right = 1 / (1 + np.exp(-slope_of(error) * np.abs(margins)))
        assert 1 - right.mean() == pytest.approx(error, abs=0.01)
