"""Segments are pieces of one episode, every valid start is as likely as any other, and nothing is copied too early."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from prefrl.errors import RunError
from prefrl.segments import SegmentPool, cut
from prefrl.types import Episode, Segment

# The 99.9th percentile of chi-square by degrees of freedom.
CHI_SQUARE = {13: 34.53}


def episode(
    steps: int, *, number: int = 0, begin: int = 0, terminated: bool = False, truncated: bool = False
) -> Episode:
    """Every entry names its episode and step: observation t is 1000 * number + t."""
    rows = 1000.0 * number + np.arange(steps + 1)
    return Episode(
        id=f"e{number}",
        obs=rows[:, None],
        action=-rows[:-1, None],
        true_reward=rows[:-1] * 2,
        policy_action=-rows[:-1, None] * 3,
        log_prob=rows[:-1] * 4,
        cost={"energy": rows[:-1] * 5},
        factors={"speed": rows[:-1] * 6},
        states=np.stack([rows, rows * 7], 1),
        extras={"note": rows[:-1] * 8},
        terminated=terminated,
        truncated=truncated,
        begin=begin,
        dt=2,
        env_id="Toy-v0",
    )


def drawn(
    episodes: list[Episode], n: int, length: int, *, steps: int = 0, stride: int = 1, **rest: Any
) -> list[tuple[str, int, int]]:
    pool = SegmentPool(episodes, steps, stride)
    return [(c.episode.id, c.start, c.length) for c in pool.sample(n, length, np.random.default_rng(0), **rest)]


def test_a_segment_is_the_steps_it_names_and_holds_copies() -> None:
    source = episode(10, number=3, terminated=True)
    piece = cut(source, 4, 3)
    t = 3004.0 + np.arange(3)
    assert piece.obs[:, 0].tolist() == [3004, 3005, 3006, 3007]
    assert np.array_equal(piece.action[:, 0], -t)
    assert piece.true_reward is not None
    assert piece.policy_action is not None
    assert piece.log_prob is not None
    assert piece.states is not None
    assert np.array_equal(piece.true_reward, 2 * t)
    assert np.array_equal(piece.policy_action[:, 0], -3 * t)
    assert np.array_equal(piece.log_prob, 4 * t)
    assert np.array_equal(piece.cost["energy"], 5 * t)
    assert np.array_equal(piece.factors["speed"], 6 * t)
    assert np.array_equal(piece.extras["note"], 8 * t)
    assert piece.states[:, 1].tolist() == [7 * 3004, 7 * 3005, 7 * 3006, 7 * 3007]
    assert (piece.episode, piece.start, piece.dt, piece.env_id) == ("e3", 4, 2, "Toy-v0")
    source.obs[:] = source.action[:] = 0
    assert piece.obs[0, 0] == 3004
    assert piece.action[0, 0] == -3004


def test_only_the_last_step_of_an_episode_reaches_its_terminal_state() -> None:
    ended = episode(10, terminated=True)
    assert not cut(ended, 6, 3).terminated
    assert cut(ended, 7, 3).terminated
    assert not cut(episode(10, truncated=True), 7, 3).terminated


def test_what_was_not_recorded_stays_absent() -> None:
    bare = Episode("e", np.zeros((4, 1)), np.zeros((3, 1)))
    piece = cut(bare, 0, 2)
    assert (piece.true_reward, piece.policy_action, piece.log_prob, piece.states) == (None,) * 4
    assert (piece.cost, piece.factors) == ({}, {})


def test_the_id_is_of_observations_and_actions_only() -> None:
    one = cut(episode(5), 1, 3)
    other = episode(5)
    assert other.true_reward is not None
    other.true_reward[:] = 99
    assert cut(other, 1, 3).id == one.id == Segment.of(one.obs, one.action).id
    other.action[2] = 99
    assert cut(other, 1, 3).id != one.id


def test_segments_never_cross_a_reset_and_reach_the_last_start() -> None:
    """B-Pref draws from choice(T - H), which leaves the last start out and fails for T == H."""
    episodes = [episode(10, terminated=True), episode(6, number=1, truncated=True), episode(8, number=2)]
    seen = set(drawn(episodes, 2000, 4))
    expected = {(f"e{i}", start, 4) for i, steps in enumerate((10, 6, 8)) for start in range(steps - 4 + 1)}
    assert seen == expected


def test_an_episode_of_exactly_the_length_is_one_segment() -> None:
    assert set(drawn([episode(7)], 5, 7)) == {("e0", 0, 7)}


def test_starts_are_uniform_over_all_episodes() -> None:
    episodes = [episode(12, truncated=True), episode(5, number=1, terminated=True), episode(4, number=2)]
    n, starts = 14_000, 9 + 2 + 1 + 2
    episodes.append(episode(2, number=3, truncated=True))  # short but ended: one segment
    episodes.append(episode(3, number=4, terminated=True))  # the same
    draws = drawn(episodes, n, 4)
    counts = np.unique([f"{e}:{s}:{h}" for e, s, h in draws], return_counts=True)[1]
    assert len(counts) == starts
    assert ((counts - n / starts) ** 2 / (n / starts)).sum() < CHI_SQUARE[starts - 1]


def test_short_episodes_count_whole_once_they_ended() -> None:
    ended = episode(3, number=1, terminated=True)
    assert set(drawn([episode(6), ended], 100, 5)) == {("e0", 0, 5), ("e0", 1, 5), ("e1", 0, 3)}
    assert set(drawn([episode(6), episode(3, number=1)], 100, 5)) == {("e0", 0, 5), ("e0", 1, 5)}  # still going on
    pool = SegmentPool([ended], 3, 1)
    (index,) = pool.sample(1, 5, np.random.default_rng(0))
    piece = pool.segment(index)
    assert (len(piece), len(piece.obs), piece.terminated) == (3, 4, True)


def test_the_window_holds_the_last_steps_only() -> None:
    """Two environments: step t of an episode was taken at run step begin + 2 t."""
    episodes = [
        episode(10, truncated=True),
        episode(10, number=1, truncated=True, begin=20),
        episode(5, number=2, begin=40),
    ]
    seen = set(
        drawn(episodes, 2000, 3, steps=50, stride=2, window=21)
    )  # from run step 29: e1 from its step 5 (29 = 20 + 9)
    assert seen == {("e1", 5, 3), ("e1", 6, 3), ("e1", 7, 3), ("e2", 0, 3), ("e2", 1, 3), ("e2", 2, 3)}
    everything = set(drawn(episodes, 2000, 3, steps=50, stride=2, window=None))
    assert everything == set(drawn(episodes, 2000, 3, steps=50, stride=2, window=1000))
    assert ("e0", 0, 3) in everything


def test_a_short_episode_before_the_window_is_gone() -> None:
    episodes = [episode(3, terminated=True), episode(10, number=1, begin=3)]
    assert {e for e, *_ in drawn(episodes, 200, 5, steps=13, window=10)} == {"e1"}
    assert {e for e, *_ in drawn(episodes, 200, 5, steps=13, window=11)} == {"e0", "e1"}


def test_the_same_generator_draws_the_same() -> None:
    assert drawn([episode(50)], 20, 5) == drawn([episode(50)], 20, 5)


@pytest.mark.parametrize("episodes", [[], [episode(3)], [episode(0, truncated=True)]])
def test_nothing_long_enough_is_a_sentence(episodes: list[Episode]) -> None:
    with pytest.raises(RunError, match=r"nothing recorded so far is 4 steps long; .* pretrain.steps"):
        drawn(episodes, 1, 4)
