"""The replay buffer holds what the reward model says of every row, and nothing else of it changes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.buffers import NStepReplayBuffer

from prefrl.errors import StaleRewards
from prefrl.relabel import Relabeller, RelabelNStepReplayBuffer, RelabelReplayBuffer
from prefrl.rewards.ensemble import Ensemble
from prefrl.rewards.options import EnsembleOptions
from prefrl.rewards.truth import TrueReward
from prefrl.rollout.recording import RecordingVecEnv
from prefrl.rollout.vectorised import information, record
from prefrl.settings import EnvSettings
from prefrl.specs import BuildContext
from prefrl.timing import Clock
from prefrl.types import Channels, Episode

LIMIT = 20  # steps of an episode
PENDULUM = EnvSettings(id="Pendulum-v1", kwargs={"max_episode_steps": LIMIT})


class Learned(TrueReward):
    """A stand-in for a fitted model: a function of observation and action that changes with the version."""

    version = 0
    steps = 0  # it was asked about

    def of(self, obs: np.ndarray, action: np.ndarray) -> np.ndarray:
        return np.tanh(obs[..., 0]) * self.version - 0.1 * action[..., 0] ** 2

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        self.steps += sum(len(episode) for episode in episodes)
        return {"reward": np.concatenate([self.of(e.obs[:-1], e.action) for e in episodes])}

    def scorers(self) -> Sequence[Any]:
        return ("one that can be fitted",)


class StepNumber(Learned):
    """Not markov: the reward of a step is how many steps of its episode it was shown before."""

    markov = False

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        return {"reward": np.concatenate([np.arange(len(episode)) for episode in episodes])}


class Driver:
    """Steps random actions into a buffer exactly as SB3's off-policy collection does."""

    def __init__(self, reward: Any, n_envs: int, size: int, *, scale: bool = False, needs: frozenset[str] = frozenset(),
                 buffer: type[RelabelReplayBuffer] = RelabelReplayBuffer, **kwargs: Any) -> None:  # fmt: skip
        settings = PENDULUM.model_copy(update={"n_envs": n_envs})
        self.venv: RecordingVecEnv = record(settings, information(settings), seed=1, name="run", keep=30)
        self.relabel = Relabeller(
            reward, needs, self.venv.recording, gamma=0.9, scale=scale, bonuses=[], clock=Clock()
        )  # fmt: skip
        space = self.venv.observation_space
        assert isinstance(space, spaces.Box)
        self.buffer = buffer(
            size * n_envs, space, self.venv.action_space, device="cpu", n_envs=n_envs, relabel=self.relabel, **kwargs
        )
        self.obs = self.venv.reset()
        self.rng = np.random.default_rng(0)
        self.number = np.zeros(n_envs, int)  # of the step within its episode
        self.numbers: list[np.ndarray] = []
        self.paid: list[Any] = []

    def step(self, times: int) -> None:
        for _ in range(times):
            scaled = self.rng.uniform(-1, 1, (self.venv.num_envs, 1)).astype(np.float32)
            obs, reward, dones, infos = self.venv.step(2 * scaled)
            following = np.array(obs)
            for i in np.flatnonzero(dones):
                following[i] = infos[i]["terminal_observation"]
            self.numbers.append(self.number)
            self.number = np.where(dones, 0, self.number + 1)
            self.paid.append((self.obs, following, scaled, reward, dones, infos))
            self.buffer.add(self.obs, following, scaled, reward, dones, infos)
            self.obs = obs

    def error(self, model: Learned) -> float:
        """Largest difference between a row's reward and the model's own on the row's contents."""
        rows = slice(0, self.buffer.size())
        expected = model.of(self.buffer.observations[rows], 2 * self.buffer.actions[rows])
        return float(np.abs(self.buffer.rewards[rows] - expected).max())


def refit(driver: Driver, model: Any) -> None:
    model.version += 1
    driver.relabel.refresh()


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("steps", [40, 50, 95])  # not full, exactly full, wrapped in the middle of an episode
def test_every_row_holds_the_models_reward_after_a_fit(n_envs: int, steps: int) -> None:
    model = Learned()
    driver = Driver(model, n_envs, size=50)
    driver.step(steps // 2)
    refit(driver, model)
    driver.step(steps - steps // 2)
    driver.buffer.sample(4)
    assert driver.error(model) < 1e-6
    before = driver.buffer.rewards.copy()
    refit(driver, model)
    assert driver.error(model) < 1e-6
    assert not np.allclose(before, driver.buffer.rewards)


def test_the_same_with_an_ensemble_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefrl.relabel.replay.CHUNK", 45)
    context = BuildContext("run", "reward", 0, information(PENDULUM))
    model = Ensemble(EnsembleOptions(members=3, hidden=(16, 16)), context)
    driver = Driver(model, 3, size=50)
    driver.step(95)
    model.observe([track.view() for track in driver.venv.recording.tracks])
    model.fitted()
    driver.relabel.refresh()
    obs, actions = driver.buffer.observations, 2 * driver.buffer.actions
    for env in range(3):
        episode = Episode("", np.concatenate([obs[:, env], obs[:1, env]]), actions[:, env])
        expected = np.asarray(model.rewards([episode])["reward"])
        assert np.abs(driver.buffer.rewards[:, env] - expected).max() < 1e-6


@pytest.mark.parametrize("n_envs", [1, 2])
def test_a_model_of_whole_episodes_sees_each_row_in_its_episode(n_envs: int) -> None:
    model = StepNumber()
    driver = Driver(model, n_envs, size=50)
    refit(driver, model)
    expected = np.zeros((50, n_envs))
    for _ in range(13):
        driver.step(7)
        for row in range(len(driver.numbers) - 7, len(driver.numbers)):
            expected[row % 50] = driver.numbers[row]
        driver.buffer.sample(4)
        np.testing.assert_array_equal(driver.buffer.rewards, expected)
    driver.buffer.rewards[:] = -1
    refit(driver, model)
    np.testing.assert_array_equal(driver.buffer.rewards, expected)


def test_pending_rows_are_labelled_once_and_together() -> None:
    model = Learned()
    driver = Driver(model, 3, size=50)
    refit(driver, model)
    driver.step(30)
    assert model.steps == 0
    driver.buffer.sample(4)
    driver.buffer.sample(4)
    assert model.steps == 30 * 3
    driver.step(1)
    driver.buffer.sample(4)
    assert model.steps == 31 * 3
    assert driver.relabel.ended[0]["l"] == LIMIT
    assert driver.relabel.ended[0]["true"] < 0


def test_rows_that_nobody_sampled_are_labelled_before_they_are_overwritten() -> None:
    model = Learned()
    driver = Driver(model, 2, size=30)
    refit(driver, model)
    driver.step(100)
    driver.buffer.sample(4)
    assert driver.error(model) < 1e-6
    assert len(driver.relabel.ended) == 2 * 100 // LIMIT


def test_sampling_behind_the_model_is_refused() -> None:
    model = Learned()
    driver = Driver(model, 1, size=50)
    driver.step(10)
    driver.buffer.sample(4)
    model.version += 1
    with pytest.raises(StaleRewards, match="version 0 of the reward model, which is at version 1"):
        driver.buffer.sample(4)
    driver.relabel.refresh()
    driver.buffer.sample(4)


def test_before_the_first_fit_rows_hold_zero_or_what_pretraining_rewards() -> None:
    class Novelty(TrueReward):
        def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
            return {"reward": np.full(sum(map(len, episodes)), 7.0)}

    model = Learned()
    driver = Driver(model, 1, size=50)
    driver.step(5)
    driver.buffer.sample(4)
    driver.step(5)
    assert driver.buffer.rewards[:5].tolist() == [[0.0]] * 5
    with driver.relabel.using(Novelty()):
        driver.step(5)
        driver.buffer.sample(4)
        driver.step(5)
    assert driver.buffer.rewards[:20].tolist() == [[7.0]] * 20
    assert driver.relabel.handovers == 0
    driver.step(5)
    driver.buffer.sample(4)
    assert driver.buffer.rewards[15:25].tolist() == [[7.0]] * 5 + [[0.0]] * 5
    refit(driver, model)
    assert driver.error(model) < 1e-6
    assert driver.relabel.handovers == 1
    refit(driver, model)
    assert driver.relabel.handovers == 1


def test_a_reward_that_needs_no_fit_takes_over_when_pretraining_ends() -> None:
    model = Learned()
    model.version = 1
    driver = Driver(model, 1, size=50)
    with driver.relabel.using(StepNumber()):
        driver.step(10)
    assert driver.error(model) < 1e-6
    assert driver.relabel.handovers == 1


def test_a_fit_changes_rewards_alone_and_time_limits_stay_told_apart() -> None:
    model = Learned()
    driver = Driver(model, 2, size=50)
    driver.step(75)
    names = ("observations", "next_observations", "actions", "dones", "timeouts")
    before = {name: getattr(driver.buffer, name).tobytes() for name in names}
    refit(driver, model)
    driver.buffer.sample(8)
    assert before == {name: getattr(driver.buffer, name).tobytes() for name in names}
    assert driver.buffer.timeouts.sum() == 2 * 2  # rows 40 and 60 of each environment; 20 is overwritten
    np.testing.assert_array_equal(driver.buffer.timeouts, driver.buffer.dones)


def test_n_step_returns_are_sb3s_when_the_model_is_the_true_reward() -> None:
    driver = Driver(
        TrueReward(),
        2,
        size=50,
        needs=frozenset({"true_reward"}),
        buffer=RelabelNStepReplayBuffer,
        n_steps=3,
        gamma=0.9,
    )
    driver.step(75)
    space, action_space = driver.venv.observation_space, driver.venv.action_space
    theirs = NStepReplayBuffer(100, space, action_space, device="cpu", n_envs=2, n_steps=3, gamma=0.9)
    for obs, following, scaled, _, dones, infos in driver.paid:
        theirs.add(obs, following, scaled, pendulum_cost(obs, scaled), dones, infos)
    np.random.seed(0)  # SB3 samples with NumPy's global generator
    ours = driver.buffer.sample(200)
    np.random.seed(0)
    expected = theirs.sample(200)
    np.testing.assert_allclose(ours.rewards, expected.rewards, rtol=1e-4, atol=1e-4)
    for name in ("observations", "actions", "next_observations", "dones", "discounts"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(expected, name))


def pendulum_cost(obs: np.ndarray, scaled: np.ndarray) -> np.ndarray:
    """Pendulum-v1's reward, from its documentation."""
    angle = np.arctan2(obs[:, 1], obs[:, 0])
    return -(angle**2 + 0.1 * obs[:, 2] ** 2 + 0.001 * (2 * scaled[:, 0]) ** 2)


def test_one_scale_the_current_one_holds_for_everything_sampled() -> None:
    model = Learned()
    driver = Driver(model, 2, size=50, scale=True)
    refit(driver, model)
    driver.step(45)
    driver.buffer.label()
    raw = driver.buffer.rewards[:45]
    returns = []
    running = np.zeros(2)
    for reward, done in zip(raw.astype(float), driver.buffer.dones, strict=False):
        running = 0.9 * running + reward
        returns.append(running)
        running = np.where(done, 0, running)
    std = float(np.sqrt(np.var(returns) + 1e-8))
    ratio = driver.relabel.scaled(raw) * std / raw
    np.testing.assert_allclose(ratio, 1, rtol=1e-4)
    possible = np.unique(driver.relabel.scaled(raw))
    drawn = driver.buffer.sample(200).rewards.numpy().ravel()
    assert np.isin(drawn, possible).all()
    refit(driver, model)  # what the old model gave counts no more
    sampled = driver.relabel.scaled(driver.buffer.rewards[:45])
    assert np.abs(sampled / driver.buffer.rewards[:45] - sampled[0, 0] / driver.buffer.rewards[0, 0]).max() < 1e-5
    assert driver.error(model) < 1e-6  # the buffer itself keeps what the model said


def test_episodes_live_as_long_as_one_of_their_rows() -> None:
    model = Learned()
    driver = Driver(model, 1, size=50)
    refit(driver, model)
    first = weakref.ref(driver.venv.recording.tracks[0])
    driver.step(60)
    driver.buffer.sample(4)
    gc.collect()
    assert first() is not None  # row 10 to 19
    driver.step(10)
    driver.buffer.sample(4)
    gc.collect()
    assert first() is None
    assert sum(1 for _ in driver.buffer.tracks()) <= 4


def test_state_restores_a_wrapped_buffer() -> None:
    model = Learned()
    driver = Driver(model, 2, size=50)
    refit(driver, model)
    driver.step(75)
    state = driver.buffer.state_dict()
    fresh = Driver(model, 2, size=50)
    fresh.buffer.load_state_dict(state, {track.id: track for track in driver.buffer.tracks()})
    assert (fresh.buffer.pos, fresh.buffer.full, fresh.buffer.pending) == (25, True, 75 - 50)
    driver.relabel.refresh()
    fresh.buffer._relabel = driver.relabel
    fresh.buffer._labelled = fresh.buffer._added
    fresh.buffer.refresh()
    for name in state["arrays"]:
        np.testing.assert_array_equal(getattr(fresh.buffer, name), getattr(driver.buffer, name))
