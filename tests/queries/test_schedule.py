"""A budget is spent exactly, by the published shares, and to the end of the run."""

from __future__ import annotations

import numpy as np
import pytest

from prefrl.queries.schedule import rounds_of, shares
from prefrl.settings import FeedbackSettings


def test_shares_are_those_of_the_paper() -> None:
    """180 answers in 5 hyperbolic rounds: 50.87, 40.70, 33.92, 29.07, 25.44 before rounding."""
    assert shares(180, 5, "hyperbolic") == (51, 41, 34, 29, 25)
    t = np.linspace(0, 1, 5)
    for schedule, weights in (("hyperbolic", 1 / (1 + t)), ("inverse_quadratic", 1 / (1 + t**2))):
        many = np.array(shares(10**6, 5, schedule)) / 10**6
        assert many == pytest.approx(weights / weights.sum(), abs=1e-6)
    assert np.array(shares(10**6, 5, "hyperbolic")) / 10**6 * 180 == pytest.approx(
        [50.87, 40.70, 33.92, 29.07, 25.44], abs=0.006
    )


@pytest.mark.parametrize("schedule", ["constant", "hyperbolic", "inverse_quadratic"])
@pytest.mark.parametrize("total", [0, 1, 7, 180, 201])
@pytest.mark.parametrize("rounds", [1, 3, 20])
def test_the_budget_is_spent_exactly(schedule: str, total: int, rounds: int) -> None:
    sizes = shares(total, rounds, schedule)
    assert len(sizes) == rounds
    assert sum(sizes) == total
    assert min(sizes) >= 0
    if schedule == "constant":
        assert max(sizes) - min(sizes) <= 1


def test_rounds_are_spread_from_pretraining_to_the_end() -> None:
    rounds = rounds_of(FeedbackSettings(total=40, rounds=4), 1000, 9000)
    assert rounds == [(1000, 10), (3000, 10), (5000, 10), (7000, 10)]


def test_fewer_answers_than_rounds_are_still_spread_over_the_run() -> None:
    assert rounds_of(FeedbackSettings(total=4, rounds=20), 1000, 9000) == [(1000, 1), (3000, 1), (5000, 1), (7000, 1)]
    assert rounds_of(FeedbackSettings(total=0, rounds=20), 1000, 9000) == []


def test_a_round_that_asks_nothing_is_left_out() -> None:
    rounds = rounds_of(FeedbackSettings(total=4, rounds=4, schedule="inverse_quadratic"), 0, 100)
    assert all(answers > 0 for _, answers in rounds)
    assert sum(answers for _, answers in rounds) == 4


def test_b_prefs_schedules() -> None:
    """T rounds: (T - t) / T from t = 0, and T / (T - t + 1) from t = 1."""
    assert shares(15, 5, "decaying") == (5, 4, 3, 2, 1)
    weights = np.array([5 / (5 - t + 1) for t in range(1, 6)])
    assert np.array(shares(10**6, 5, "growing")) / 10**6 == pytest.approx(weights / weights.sum(), abs=1e-6)
    for schedule in ("decaying", "growing"):
        assert sum(shares(201, 20, schedule)) == 201


def test_the_first_round_may_take_a_share_before_the_schedule_sets_in() -> None:
    """imitation's 200 comparisons, a tenth of them at first, 5 hyperbolic rounds."""
    assert shares(200, 6, "hyperbolic", 0.1) == (20, 51, 41, 34, 29, 25)
    assert shares(200, 1, "hyperbolic", 0.1) == (200,)
    feedback = FeedbackSettings(total=20, rounds=3, schedule="decaying", initial=0.7)
    assert rounds_of(feedback, 0, 300) == [(0, 14), (100, 4), (200, 2)]
