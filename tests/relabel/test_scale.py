"""The scale of a whole buffer is the one its rows, observed one after the other, would have led to."""

from __future__ import annotations

import numpy as np
import pytest
from stable_baselines3.common.running_mean_std import RunningMeanStd

from prefrl.relabel.scale import RewardScale, discounted


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("n", [1, 2, 63, 200])
def test_discounted_returns_are_those_of_the_loop(gamma: float, n: int) -> None:
    rng = np.random.default_rng(n)
    rewards, ended = rng.normal(size=(n, 3)), rng.random((n, 3)) < 0.03
    running, expected = np.zeros(3), []
    for reward, end in zip(rewards, ended, strict=True):
        running = gamma * running + reward
        expected.append(running)
        running = np.where(end, 0, running)
    np.testing.assert_allclose(discounted(rewards, ended, gamma), expected, rtol=1e-10, atol=1e-10)


def test_restarted_from_rows_it_goes_on_as_if_it_had_observed_only_them() -> None:
    rng = np.random.default_rng(0)
    rewards, dones = rng.normal(3, 2, (400, 2)), rng.random((400, 2)) < 0.02
    observed, restarted = RewardScale(0.95, 2), RewardScale(0.95, 2)
    restarted.observe(100 * rewards, dones)  # of another model
    observed.observe(rewards, dones)
    restarted.restart(rewards, dones)
    observed.observe(rewards[:50], dones[:50])
    restarted.observe(rewards[:50], dones[:50])
    np.testing.assert_allclose(restarted.scaled(rewards), observed.scaled(rewards), rtol=1e-6)
    fresh = RewardScale(0.95, 2)
    fresh.load_state_dict(restarted.state_dict())
    np.testing.assert_array_equal(fresh.scaled(rewards), restarted.scaled(rewards))


def test_rewards_are_clipped_at_ten_standard_deviations() -> None:
    scale = RewardScale(0.9, 1)
    scale._statistics = RunningMeanStd(shape=())
    assert scale.scaled(np.array([100.0, -100.0, 5.0])).round(3).tolist() == [10.0, -10.0, 5.0]
