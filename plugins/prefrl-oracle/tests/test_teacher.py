"""The teacher's weaknesses, each by itself: exact numbers of B-Pref's steps, and what they mean for more than two."""

from __future__ import annotations

import numpy as np
import pytest

from prefrl_oracle.calibration import error_rate, rationality
from prefrl_oracle.teacher import discounted, levelled, skip_threshold, together, turned_round, usual_return


def test_a_myopic_teacher_prefers_a_small_reward_now_to_a_larger_one_long_ago() -> None:
    early, late = np.zeros(10), np.zeros(10)
    early[0], late[-1] = 1.0, 0.5
    assert discounted(early, 1.0) == 1.0 > discounted(late, 1.0)
    assert discounted(early, 0.9) == pytest.approx(0.38742, abs=1e-5)
    assert discounted(early, 0.9) < discounted(late, 0.9) == 0.5


def test_mistakes_flip_exactly_those_of_the_draws() -> None:
    draws = np.random.default_rng(0).random(10_000)
    perceived = np.tile([0.0, 1.0], (10_000, 1))
    turned = turned_round(perceived, draws, 0.1)
    assert (turned[:, 0] > turned[:, 1]).sum() == 1033
    assert turned_round(perceived, np.zeros(10_000), 0.0).tolist() == perceived.tolist()


def test_a_mistaken_ranking_is_wrong_about_each_of_its_pairs() -> None:
    perceived = np.array([3.0, 1.0, 2.0, 0.0])
    turned = turned_round(perceived, np.asarray(0.05), 0.1)
    assert np.argsort(-turned).tolist() == np.argsort(-perceived)[::-1].tolist()


def test_usual_is_what_recent_episodes_collect_in_a_clips_length() -> None:
    episodes = [np.full(1000, 2.0), np.full(1000, 4.0)]
    b_pref = np.mean([episode.sum() for episode in episodes]) * 50 / 1000
    assert usual_return(np.concatenate(episodes), 50) == b_pref == 150.0


@pytest.mark.parametrize(("usual", "threshold"), [(200.0, 20.0), (0.0, 0.0), (-200.0, -380.0)])
def test_skipping_keeps_its_distance_from_the_usual_on_either_side_of_zero(usual: float, threshold: float) -> None:
    assert skip_threshold(0.1, usual) == pytest.approx(threshold)


@pytest.mark.parametrize(
    ("returns", "margin", "groups"),
    [
        ([0.0, 0.9], 1.0, [0, 0]),
        ([0.0, 1.0], 1.0, [1, 0]),  # less than the margin, not at it
        ([5.0, 4.4, 3.9, 0.0], 1.0, [0, 0, 1, 2]),  # 3.9 is near 4.4 but not near the best of that group
        ([2.0, 2.0, 2.0], 0.5, [0, 0, 0]),
    ],
)
def test_items_nearer_than_the_margin_to_the_best_of_a_group_join_it(
    returns: list[float], margin: float, groups: list[int]
) -> None:
    assert together(np.array(returns), margin).tolist() == groups


def test_equal_items_share_one_place_among_the_others() -> None:
    perceived = np.array([4.0, 3.0, 0.0, 3.2])
    levels = levelled(perceived, np.array([0, 1, 0, 1]))
    assert levels.tolist() == pytest.approx([2.0, 3.1, 2.0, 3.1])
    assert levels[0] == levels[2]


def test_error_of_a_rationality_is_the_mean_of_the_pairs() -> None:
    assert error_rate(np.array([1.0, 3.0]), 1.0) == pytest.approx((0.26894142 + 0.04742587) / 2)
    assert error_rate(np.array([1e9]), 1e9) == pytest.approx(0.0)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("error", [0.01, 0.1, 0.4, 0.4999])
def test_rationality_is_the_inverse_whatever_the_reward_is_measured_in(error: float, scale: float) -> None:
    returns = scale * np.random.default_rng(0).normal(size=21)  # so few that all pairs are compared
    beta = rationality(returns, error)
    assert beta is not None
    pairs = np.abs(returns[:, None] - returns[None])[~np.eye(21, dtype=bool)]
    assert error_rate(pairs, beta) == pytest.approx(error, rel=1e-6)


def test_where_all_returns_are_equal_nothing_can_be_wrong() -> None:
    assert rationality(np.zeros(20), 0.1) is None
    assert rationality(np.array([0.0, 0.0, 1.0]), 0.2) == pytest.approx(np.log(4.0))  # ties do not count
