"""States unlike those seen pay more, and what is compared against is a fair sample of everything seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from prefrl.rewards.entropy import StateEntropy, kth_distance
from prefrl.rewards.options import EntropyOptions
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo, Episode

CONTEXT = BuildContext(run="run", name="pretrain", seed=0, env=EnvInfo("Line-v0", (1,), (1,)))


def reached(*places: float) -> Episode:
    """An episode that begins at 100 and then goes to `places`."""
    obs = np.array([100.0, *places])[:, None]
    return Episode("e", obs, np.zeros((len(places), 1)))


def test_distances_are_to_the_kth_other_point() -> None:
    points = np.array([[0.0], [1.0], [3.0]])
    assert kth_distance(points, points, 1).tolist() == [1, 1, 2]
    assert kth_distance(points, points, 2).tolist() == [3, 2, 3]
    assert kth_distance(points, points, 9).tolist() == [3, 2, 3]  # there are no more


def test_chunks_change_nothing() -> None:
    points = np.random.default_rng(0).normal(size=(100, 3))
    assert kth_distance(points, points, 5, chunk=7) == pytest.approx(kth_distance(points, points, 5), abs=1e-5)
    exact = np.sort(np.linalg.norm(points[:, None] - points[None], axis=-1), axis=1)[:, 5]
    assert kth_distance(points, points, 5) == pytest.approx(exact, abs=1e-4)


def test_a_large_common_offset_changes_nothing() -> None:
    points = np.random.default_rng(0).normal(size=(60, 3))
    assert kth_distance(points + 1e4, points + 1e4, 1) == pytest.approx(kth_distance(points, points, 1), abs=2e-3)


def test_the_reward_is_the_distance_of_where_a_step_led_in_standard_deviations() -> None:
    model = StateEntropy(EntropyOptions(neighbours=1), CONTEXT)
    reward = model.rewards([reached(0.0, 1.0), reached(3.0)])["reward"]
    assert reward == pytest.approx(np.array([1, 1, 2]) / np.std([0, 1, 3]), rel=1e-5)
    far = model.rewards([reached(50.0)])["reward"]
    near = model.rewards([reached(1.1)])["reward"]
    assert far[0] > 10 * near[0]


def test_what_is_held_is_a_uniform_sample_of_all_seen() -> None:
    limit, n, repeats = 20, 100, 300
    counts = np.zeros(n)
    for seed in range(repeats):
        model = StateEntropy(EntropyOptions(neighbours=1, reference=limit), replace(CONTEXT, seed=seed))
        for part in np.split(np.arange(n, dtype=float), [7, 25, 60]):  # across the limit within one call
            model.rewards([reached(*part)])
        held = model.state_dict()["held"][:, 0]
        assert len(set(held.tolist())) == limit
        counts[held.astype(int)] += 1
    expected = repeats * limit / n
    # the sum of (count - expected)^2 over its variance is chi-square like, of 99 degrees: 99.9 % lie below 148
    assert ((counts - expected) ** 2 / (expected * (1 - limit / n))).sum() < 148


def test_before_the_limit_everything_is_held() -> None:
    model = StateEntropy(EntropyOptions(reference=10), CONTEXT)
    model.rewards([reached(1.0, 2.0)])
    model.rewards([reached(3.0)])
    state = model.state_dict()
    assert state["seen"] == 3
    assert state["held"][:3, 0].tolist() == [1, 2, 3]


def test_a_saved_state_goes_on_the_same() -> None:
    options = EntropyOptions(neighbours=1, reference=5)
    one, other = StateEntropy(options, CONTEXT), StateEntropy(options, replace(CONTEXT, seed=9))
    one.rewards([reached(*range(20))])
    other.load_state_dict(one.state_dict())
    for places in ((3.5, 8.5), (40.0,)):
        assert np.array_equal(one.rewards([reached(*places)])["reward"], other.rewards([reached(*places)])["reward"])


def test_no_preference_changes_it() -> None:
    model = StateEntropy(EntropyOptions(), CONTEXT)
    assert model.scorers() == ()
    assert model.version == 1
