"""Termination: what keep, absorb and off do to episodes, clips, factors and the learner; and what is said of it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from prefrl.errors import ConfigError
from prefrl.rollout.environments import make
from prefrl.rollout.recording import RecordingVecEnv
from prefrl.rollout.termination import ABSORBED, Absorb, Endings, endings, sentence
from prefrl.rollout.vectorised import information, record
from prefrl.segments import SegmentPool
from prefrl.settings import EnvSettings
from prefrl.types import Episode


def fall(env: gym.Env[Any, Any]) -> list[tuple[Any, ...]]:
    """Push to the right until the time is up."""
    env.reset(seed=0)
    steps = [env.step(np.array([1.0, 0.0], np.float32)) for _ in range(7)]
    return [(tuple(obs), reward, terminated, truncated) for obs, reward, terminated, truncated, _ in steps]


def test_absorb_keeps_the_terminal_state_to_the_time_limit() -> None:
    steps = fall(make(EnvSettings(id="Drift-v0", termination="absorb")))
    assert [truncated for *_, truncated in steps] == [False] * 6 + [True]
    assert not any(terminated for _, _, terminated, _ in steps)
    lost = next(i for i, (obs, *_) in enumerate(steps) if abs(obs[0]) > 1.5)
    assert lost < 5
    assert steps[lost][1] < -1.5  # the step that fell is still paid
    assert {obs for obs, *_ in steps[lost:]} == {steps[lost][0]}
    assert {reward for _, reward, *_ in steps[lost + 1 :]} == {0.0}


def test_a_new_episode_is_not_absorbed() -> None:
    env = make(EnvSettings(id="Drift-v0", termination="absorb"))
    assert fall(env) == fall(env)


def test_absorb_needs_a_time_limit() -> None:
    with pytest.raises(ConfigError, match="absorb needs an environment with a time limit"):
        Absorb(gym.make("Drift-v0").unwrapped)


def test_off_switches_terminal_states_off() -> None:
    steps = fall(make(EnvSettings(id="Drift-v0", termination="off")))
    assert max(obs[0] for obs, *_ in steps) > 5
    assert not any(terminated for _, _, terminated, _ in steps)


def recorded(id: str, termination: Any, steps: int, **kwargs: Any) -> RecordingVecEnv:
    """Random actions in one environment."""
    settings = EnvSettings(id=id, n_envs=1, termination=termination, kwargs=kwargs)
    env = record(settings, information(settings), seed=0, name="run", keep=None)
    env.reset()
    env.action_space.seed(0)
    for _ in range(steps):
        env.step(np.array([env.action_space.sample()]))
    return env


def episodes(env: RecordingVecEnv) -> list[Episode]:
    return [track.view() for track in env.recording.tracks]


def test_a_learner_sees_terminal_states_only_where_they_are_kept() -> None:
    """SB3 bootstraps from the value of the last observation exactly where a time limit ended the episode."""
    ends = {}
    for termination in ("keep", "absorb", "off"):
        env = recorded("Drift-v0", termination, 0)
        steps = [env.step(np.array([[1.0, 0.0]], np.float32)) for _ in range(7)]
        ends[termination] = [
            (i, infos[0]["TimeLimit.truncated"]) for i, (_, _, dones, infos) in enumerate(steps) if dones[0]
        ]
        first = episodes(env)[0]
        assert (first.terminated, first.truncated) == (termination == "keep", termination != "keep")
    assert ends["keep"][0][0] < 5
    assert not any(limit for _, limit in ends["keep"])
    assert ends["absorb"] == ends["off"] == [(6, True)]


def test_absorbed_steps_say_so_and_nothing_moves_in_them() -> None:
    env = recorded("Drift-v0", "absorb", 0)
    for _ in range(7):
        env.step(np.array([[1.0, 0.5]], np.float32))
    episode = episodes(env)[0]
    absorbed = episode.extras[ABSORBED]
    fell = int(np.flatnonzero(absorbed)[0])
    assert 0 < fell < 5
    assert absorbed.tolist() == [False] * fell + [True] * (7 - fell)
    assert np.all(episode.true_reward[fell:] == 0)  # type: ignore[index]
    assert np.all(episode.cost["energy"][:fell] == 1.25)
    assert np.all(episode.cost["energy"][fell:] == 0)  # who lies there pays nothing
    assert np.all(episode.factors["speed"][:fell] == 1)
    assert np.all(episode.factors["speed"][fell:] == 0)  # declared as motion
    assert len(set(episode.factors["height"][fell - 1 :].tolist())) == 1  # where it lies is where it fell
    assert np.all(episode.action[fell:] == [1.0, 0.5])  # what was commanded, in vain


def test_mujoco_stands_still_in_absorbed_steps() -> None:
    env = recorded("Hopper-v5", "absorb", 200, max_episode_steps=100)
    for episode in episodes(env)[:2]:
        assert (len(episode), episode.terminated, episode.truncated) == (100, False, True)
        (fell, *_) = np.flatnonzero(episode.extras[ABSORBED])
        assert 5 < fell < 90
        assert np.ptp(episode.obs[fell:], axis=0).max() == 0
        assert np.ptp(episode.states[fell:], axis=0).max() == 0  # type: ignore[index]
        assert np.all(episode.factors["x_velocity"][fell:] == 0)
        assert np.all(episode.factors["torso_height"][fell:] == episode.factors["torso_height"][fell - 1])
        assert np.all(episode.cost["energy"][fell:] == 0)
        assert np.isfinite(np.concatenate([*episode.factors.values(), *episode.cost.values()])).all()


@pytest.mark.parametrize("termination", ["keep", "absorb"])
def test_survival_shows_in_the_length_of_clips_only_where_it_is_kept(termination: str) -> None:
    """Clips of 50 steps of a task whose random episodes last about 20."""
    env = recorded("Hopper-v5", termination, 600, max_episode_steps=150)
    pool = SegmentPool(episodes(env), env.recording.steps, 1)
    cuts = pool.sample(200, 50, np.random.default_rng(0))
    lengths = [cut.length for cut in cuts]
    if termination == "absorb":
        assert set(lengths) == {50}
        assert any(pool.segment(cut).extras[ABSORBED].any() for cut in cuts)
    else:
        assert min(lengths) < 25  # short episodes are used whole
        assert all(len(pool.segment(cut)) == cut.length for cut in cuts)
        assert any(pool.segment(cut).terminated for cut in cuts)


def test_absorb_goes_on_from_its_state() -> None:
    first, second = (make(EnvSettings(id="Drift-v0", termination="absorb")) for _ in range(2))
    action = np.array([1.0, 0.0], np.float32)
    for env in (first, second):
        env.reset(seed=0)
    for _ in range(4):
        first.step(action)
    assert isinstance(first, Absorb)
    assert isinstance(second, Absorb)
    second.load_state_dict(first.state_dict())
    for _ in range(3):
        a, b = first.step(action), second.step(action)
        assert np.array_equal(a[0], b[0])
        assert a[1:] == b[1:]
    assert b[3]  # and its time is up at the same step


def test_off_reaches_every_task_that_can() -> None:
    for id in ("Walker2d-v5", "HalfCheetah-v5", "Reacher-v5", "prefrl_envs:PlanarHopper-v0", "prefrl_envs:Reach-v0"):
        env = make(EnvSettings(id=id, termination="off", kwargs={"max_episode_steps": 40}))
        env.reset(seed=0)
        env.action_space.seed(0)
        ends = [env.step(env.action_space.sample())[2:4] for _ in range(40)]
        assert ends == [(False, False)] * 39 + [(False, True)], id
    with pytest.raises(ConfigError, match="'InvertedPendulum-v5' cannot switch its terminal states off"):
        make(EnvSettings(id="InvertedPendulum-v5", termination="off"))


def test_endings_are_counted_although_episodes_are_forgotten() -> None:
    settings = EnvSettings(id="Drift-v0", n_envs=2)
    env = record(settings, information(settings), seed=0, name="run", keep=4)
    env.reset()
    for _ in range(40):
        env.step(np.array([[1.0, 0.0], [0.0, 0.0]], np.float32))
        list(env.recording.fresh())
    ended = env.recording.endings
    assert ended.episodes > len(env.recording.tracks)
    assert ended.early == ended.episodes - 40 // 7  # the one that is not pushed stays to the time limit
    assert 1 < ended.survived / ended.early < 4
    assert ended.absorbed == 0


def test_endings_agree_whether_terminal_states_end_episodes_or_last() -> None:
    kept, absorbing = (recorded("Hopper-v5", mode, 300, max_episode_steps=100) for mode in ("keep", "absorb"))
    kept_ended = endings(episodes(kept))
    assert kept_ended == kept.recording.endings
    assert kept_ended.early == kept_ended.episodes > 3
    absorbed = endings(episodes(absorbing))
    assert (absorbed.episodes, absorbed.early) == (3, 3)
    assert absorbed.survived + absorbed.absorbed == 300


@pytest.mark.parametrize(("termination", "ended", "words"), [
    ("keep", Endings(), "Termination: keep. No episode has ended."),
    ("keep", Endings(20, 0, 0, 0), "Termination: keep. None of 20 episodes reached a terminal state, so it did not matter."),
    ("keep", Endings(2000, 500, 10_000, 0), "Termination: keep. 500 of 2,000 episodes (25%) ended in a terminal state, after 20 steps on average; their clips can be shorter than others."),
    ("absorb", Endings(4, 1, 30, 70), "Termination: absorb. 1 of 4 episodes (25%) reached a terminal state, after 30 steps on average, and stayed in it to the time limit (70 steps); all clips are of full length."),
    ("off", Endings(4, 0, 0, 0), "Termination: off. Terminal states were switched off; 4 episodes ran to the time limit."),
])  # fmt: skip
def test_what_termination_did_is_said_in_a_sentence(termination: str, ended: Endings, words: str) -> None:
    assert sentence(termination, ended) == words
