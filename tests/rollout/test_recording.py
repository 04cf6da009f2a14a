"""What is recorded is what happened: bit for bit what stepping the task by hand gives, whoever wraps the recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from prefrl.rollout.environments import STATE_SPEC
from prefrl.rollout.recording import KEY, ROWS, PolicyOutputs, Recording, RecordingVecEnv
from prefrl.rollout.vectorised import information, record
from prefrl.settings import EnvSettings
from prefrl.types import Episode

STEPS, SEED = 40, 5


@dataclass
class Reference:
    """One episode, stepped by hand."""

    begin: int
    obs: list[Any]
    action: list[Any] = field(default_factory=list)
    reward: list[float] = field(default_factory=list)
    infos: list[Any] = field(default_factory=list)
    terminated: bool = False
    truncated: bool = False


def actions(n_envs: int, steps: int = STEPS) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (steps, n_envs, 2)).astype(np.float32)


def by_hand(env_id: str, index: int, taken: np.ndarray, n_envs: int) -> list[Reference]:
    env = gym.make(env_id)
    obs, _ = env.reset(seed=SEED + index)
    episodes = [Reference(0, [obs])]
    for t, action in enumerate(taken):
        now = episodes[-1]
        obs, reward, now.terminated, now.truncated, info = env.step(action)
        now.obs.append(obs)
        now.action.append(action)
        now.reward.append(reward)
        now.infos.append(info)
        if now.terminated or now.truncated:
            episodes.append(Reference((t + 1) * n_envs, [env.reset()[0]]))
    return episodes


def recorded(env_id: str, n_envs: int = 2, keep: int | None = None, **settings: Any) -> RecordingVecEnv:
    wanted = EnvSettings(id=env_id, n_envs=n_envs, **settings)
    return record(wanted, information(wanted), seed=SEED, name="run", keep=keep)


def episodes_of(recording: Recording, index: int) -> list[Episode]:
    return [track.view() for track in recording.tracks if track.env_index == index]


def same(recorded: Episode, reference: Reference) -> None:
    assert np.array_equal(recorded.obs, reference.obs)
    lost = reference.terminated  # and out of time in the same step is lost
    assert (recorded.terminated, recorded.truncated) == (lost, reference.truncated and not lost)
    assert recorded.begin == reference.begin
    assert len(recorded) == len(reference.action)
    if reference.action:
        assert np.array_equal(recorded.action, reference.action)
        assert recorded.true_reward is not None
        assert np.array_equal(recorded.true_reward, reference.reward)
        for channels, kind in ((recorded.factors, "factors"), (recorded.cost, "costs")):
            assert channels.keys() == reference.infos[0][kind].keys()
            for name, values in channels.items():
                assert np.array_equal(values, [info[kind][name] for info in reference.infos])


def test_recorded_episodes_are_what_stepping_by_hand_gives() -> None:
    venv = recorded("Drift-v0")
    venv.reset()
    taken = actions(2)
    for action in taken:
        venv.step(action)
    ends = set()
    for index in range(2):
        expected = by_hand("Drift-v0", index, taken[:, index], 2)
        got = episodes_of(venv.recording, index)
        assert len(got) == len(expected) > 4
        for episode, reference in zip(got, expected, strict=True):
            same(episode, reference)
            ends.add((episode.terminated, episode.truncated))
    assert ends == {(True, False), (False, True), (False, False)}  # lost, out of time, in progress
    assert venv.recording.steps == 2 * STEPS
    assert len({track.id for track in venv.recording.tracks}) == len(venv.recording.tracks)


def test_sb3_sees_no_reward_and_not_the_record() -> None:
    venv = recorded("Drift-v0")
    venv.reset()
    for action in actions(2):
        _, reward, dones, infos = venv.step(action)
        assert reward.dtype == np.float32
        assert not reward.any()
        assert all(KEY not in info for info in infos)
        assert all(("terminal_observation" in info) == done for info, done in zip(infos, dones, strict=True))


@pytest.mark.parametrize("env_id", ["Drift-v0", "Parts-v0"])
def test_nothing_outside_changes_what_was_recorded(env_id: str) -> None:
    plain, normalised = recorded(env_id), recorded(env_id)
    outer = VecNormalize(normalised)
    for venv in (plain, outer):
        venv.reset()
        for action in actions(2):
            obs, _, _, infos = venv.step(action.copy())
            for part in [obs, *(info.get("terminal_observation", np.zeros(1)) for info in infos)]:
                for array in part.values() if isinstance(part, dict) else [part]:
                    array[...] = 99  # whoever holds what step returned may write into it
    for index in range(2):
        pairs = zip(episodes_of(plain.recording, index), episodes_of(normalised.recording, index), strict=True)
        for one, other in pairs:
            assert np.array_equal(one.obs, other.obs)
            assert np.abs(one.obs).max() < 10


def test_observations_of_several_parts_are_flattened_in_the_order_of_the_space() -> None:
    parts, whole = recorded("Parts-v0", 1), recorded("Drift-v0", 1)
    for venv in (parts, whole):
        venv.reset()
        for action in actions(1):
            venv.step(action)
    assert parts.recording.env.obs_shape == (2,)
    pairs = list(zip(episodes_of(parts.recording, 0), episodes_of(whole.recording, 0), strict=True))
    assert any(one.terminated for one, _ in pairs)
    for one, other in pairs:
        assert np.array_equal(one.obs, other.obs[:, ::-1])  # height comes first in the Dict
        space = parts.observation_space
        assert isinstance(space, spaces.Dict)
        assert spaces.unflatten(space, one.obs[0])["position"] == other.obs[0, 0]


def test_setting_a_recorded_state_back_gives_the_recorded_observation() -> None:
    settings = {"kwargs": {"max_episode_steps": 9}}
    venv = recorded("HalfCheetah-v5", 1, **settings)
    venv.reset()
    rng = np.random.default_rng(0)
    for _ in range(12):
        venv.step(rng.uniform(-1, 1, (1, 6)).astype(np.float32))
    first, second = episodes_of(venv.recording, 0)
    assert (len(first), first.truncated, len(second)) == (9, True, 3)
    inner: Any = gym.make("HalfCheetah-v5").unwrapped
    for episode in (first, second):
        assert episode.states is not None
        assert len(episode.states) == len(episode) + 1
        for state, obs in zip(episode.states, episode.obs, strict=True):
            mujoco.mj_setState(inner.model, inner.data, state, STATE_SPEC)
            assert np.array_equal(inner._get_obs(), obs)  # terminal ones included


def test_what_ppo_sampled_stands_beside_what_was_executed() -> None:
    venv = recorded("Drift-v0")
    model = PPO(
        "MlpPolicy", venv, n_steps=16, batch_size=32, n_epochs=1, learning_rate=0.0, seed=0, device="cpu",
        policy_kwargs={"log_std_init": 1.0, "net_arch": [4]},
    )  # fmt: skip
    model.learn(32, callback=PolicyOutputs(venv.recording))
    clipped = False
    for track in venv.recording.tracks:
        episode = track.view()
        if len(episode):
            assert episode.policy_action is not None
            assert np.array_equal(np.clip(episode.policy_action, -1, 1), episode.action)
            clipped |= bool((np.abs(episode.policy_action) > 1).any())
            with torch.no_grad():
                _, log_prob, _ = model.policy.evaluate_actions(
                    torch.as_tensor(episode.obs[:-1]), torch.as_tensor(episode.policy_action)
                )
            assert episode.log_prob == pytest.approx(log_prob.numpy(), abs=1e-5)
    assert clipped


def test_steps_the_policy_was_not_asked_about_have_no_log_prob() -> None:
    venv = recorded("Drift-v0", 1, kwargs={"border": 100.0})
    venv.reset()
    taken = actions(1)
    venv.step(taken[0])
    outputs = PolicyOutputs(venv.recording)
    venv.step(taken[1])
    outputs.locals = {"actions": taken[1] * 3, "log_probs": torch.tensor([-2.5])}
    outputs._on_step()
    episode = episodes_of(venv.recording, 0)[0]
    assert episode.log_prob is not None
    assert episode.policy_action is not None
    assert np.isnan(episode.log_prob[0])
    assert np.isnan(episode.policy_action[0]).all()
    assert episode.log_prob[1] == -2.5
    assert np.array_equal(episode.policy_action[1], taken[1, 0] * 3)


def test_buffer_actions_are_preferred_as_sac_samples_them() -> None:
    venv = recorded("Drift-v0", 1)
    venv.reset()
    venv.step(actions(1)[0])
    outputs = PolicyOutputs(venv.recording)
    outputs.locals = {"actions": np.full((1, 2), 7.0), "buffer_actions": np.full((1, 2), 0.25)}
    outputs._on_step()
    episode = episodes_of(venv.recording, 0)[0]
    assert episode.policy_action is not None
    assert (episode.policy_action == 0.25).all()
    assert episode.log_prob is None


def test_long_episodes_grow_and_views_taken_before_stay() -> None:
    venv = recorded("Drift-v0", 1, kwargs={"border": np.inf, "max_episode_steps": 1000})
    venv.reset()
    steps = 2 * ROWS + 5
    taken = actions(1, steps)
    venv.step(taken[0])
    early = episodes_of(venv.recording, 0)[0]
    before = early.obs.copy()
    for action in taken[1:]:
        venv.step(action)
    (episode,) = episodes_of(venv.recording, 0)
    assert np.array_equal(episode.action, taken[:, 0])
    assert episode.obs.shape == (steps + 1, 2)
    assert np.isfinite(episode.obs).all()
    assert len(early) == 1
    assert np.array_equal(early.obs, before)


def test_each_step_is_handed_out_once_and_in_order() -> None:
    venv = recorded("Drift-v0")
    venv.reset()
    seen: dict[int, list[np.ndarray]] = {0: [], 1: []}
    taken = actions(2)
    for t, action in enumerate(taken):
        venv.step(action)
        if t in (3, 4, 20, STEPS - 1):
            for track, first in venv.recording.fresh():
                part = track.view(first)
                assert len(part.obs) == len(part) + 1
                seen[track.env_index].append(part.action)
    for index, parts in seen.items():
        assert np.array_equal(np.concatenate(parts), taken[:, index])
    assert list(venv.recording.fresh()) == []


def test_only_what_may_still_be_needed_is_kept() -> None:
    venv = recorded("Drift-v0", keep=20)
    venv.reset()
    for action in actions(2):
        venv.step(action)
    list(venv.recording.fresh())
    tracks = venv.recording.tracks
    oldest = venv.recording.steps - 20
    assert all(not track.done or track.begin + 2 * track.length > oldest for track in tracks)
    held = {step for t in tracks for step in range(t.begin, t.begin + 2 * t.length, 2)}
    assert set(range(oldest, 2 * STEPS, 2)) <= held
    assert sum(track.length for track in tracks) <= 20 + 2 * 7


def test_a_reset_from_outside_ends_the_episode_there() -> None:
    venv = recorded("Drift-v0", 1, kwargs={"border": np.inf})
    venv.reset()
    for action in actions(1)[:3]:
        venv.step(action)
    venv.reset()
    venv.reset()  # an episode of no steps is none
    venv.step(actions(1)[0])
    first, second = episodes_of(venv.recording, 0)
    assert (len(first), first.truncated, first.terminated) == (3, True, False)
    assert (len(second), second.truncated, second.begin) == (1, False, 3)


def test_part_of_an_ended_episode_is_not_at_its_end() -> None:
    venv = recorded("Drift-v0", 1, kwargs={"border": np.inf})
    venv.reset()
    for action in actions(1)[:7]:
        venv.step(action)
    track = venv.recording.tracks[0]
    assert track.view().truncated
    assert track.view(2).truncated
    assert not track.view(0, 6).truncated
    assert np.array_equal(track.view(2, 6).obs, track.view().obs[2:7])
