"""Departing from the initial policy costs beta * log(pi / pi_0), and nothing before the run's own reward is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prefrl.relabel import Relabeller, Restraint
from prefrl.rewards.truth import TrueReward
from prefrl.rollout.recording import RecordingVecEnv
from prefrl.rollout.vectorised import information, record
from prefrl.settings import EnvSettings
from prefrl.timing import Clock
from prefrl.types import Array, Channels, Episode


class Gaussian:
    """Acts around `mean` with standard deviation 1."""

    def __init__(self, mean: float) -> None:
        self.mean = mean

    def log_prob(self, obs: Array, action: Array) -> Array:
        return np.asarray(-0.5 * ((action - self.mean) ** 2).sum(-1))

    def frozen(self) -> Gaussian:
        return Gaussian(self.mean)

    def state_dict(self) -> Mapping[str, Any]:
        return {"mean": self.mean}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.mean = state["mean"]


def episode(actions: Sequence[float], log_prob: Sequence[float] | None = None) -> Episode:
    taken = np.array(actions)[:, None]
    known = None if log_prob is None else np.array(log_prob)
    return Episode("", np.zeros((len(taken) + 1, 3)), taken, policy_action=taken, log_prob=known)


def test_the_cost_is_beta_times_the_log_ratio_to_the_policy_it_first_saw() -> None:
    restraint = Restraint(0.5)
    policy = Gaussian(0.0)
    restraint.hold(policy, recorded=True)
    assert restraint.costs([episode([1.0, 2.0], [-0.5, -2.0])]).tolist() == [0.0, 0.0]
    policy.mean = 1.0  # and from now on it acts around 1
    acted = {a: -0.5 * (a - 1) ** 2 for a in (1.0, -1.0, 3.0)}
    expected = [0.5 * (acted[a] + 0.5 * a**2) for a in (1.0, -1.0, 3.0)]
    episodes = [episode([1.0, -1.0], [acted[1.0], acted[-1.0]]), episode([3.0], [acted[3.0]])]
    np.testing.assert_allclose(restraint.costs(episodes), expected)


def test_where_the_learner_is_charged_for_log_pi_the_rest_never_grows_stale() -> None:
    restraint = Restraint(2.0)
    policy = Gaussian(0.0)
    restraint.hold(policy, recorded=False)
    first = restraint.costs([episode([1.0, -3.0])])
    policy.mean = 5.0
    assert first.tolist() == restraint.costs([episode([1.0, -3.0])]).tolist() == [1.0, 9.0]


def test_state_keeps_the_initial_policy() -> None:
    def held(mean: float) -> Restraint:
        restraint = Restraint(1.0)
        restraint.hold(Gaussian(mean), recorded=False)
        return restraint

    old, fresh, unseen = held(2.0), held(7.0), held(7.0)
    before = held(2.0).state_dict()
    old.costs([episode([0.0])])
    fresh.load_state_dict(old.state_dict())
    assert fresh.costs([episode([0.0])]).tolist() == [2.0]
    unseen.load_state_dict(before)
    assert unseen.costs([episode([0.0])]).tolist() == [24.5]


class One(TrueReward):
    """One for each step."""

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        return {"reward": np.ones(sum(map(len, episodes)))}


class Fitted(One):
    version = 0

    def scorers(self) -> Sequence[Any]:
        return ("one",)


def test_it_is_charged_for_the_runs_own_reward_and_from_the_first_fit_on() -> None:
    settings = EnvSettings(id="Pendulum-v1", n_envs=1)
    venv: RecordingVecEnv = record(settings, information(settings), seed=0, name="run", keep=None)
    reward, restraint = Fitted(), Restraint(1.0)
    policy = Gaussian(0.0)
    restraint.hold(policy, recorded=True)
    relabel = Relabeller(
        reward, frozenset(), venv.recording, gamma=0.9, scale=False, bonuses=[], clock=Clock(), restraint=restraint
    )  # fmt: skip
    venv.reset()

    def stepped() -> float:
        venv.step(np.array([[1.0]]))
        log_prob = policy.log_prob(np.zeros((1, 3)), np.ones((1, 1)))[0]
        venv.recording.stepped[0].add_policy(np.array([1.0]), log_prob)
        return float(relabel.recorded((1, 1))[0, 0])

    assert stepped() == 0.0  # no model yet
    policy.mean = 1.0
    with relabel.using(One()):
        assert stepped() == 1.0  # pretraining is free
    reward.version = 1
    relabel.refresh()
    assert stepped() == 1.0  # what it may not depart from is the policy of this moment
    policy.mean = 2.0
    assert stepped() == 1.0 - (-0.5 * (1 - 2) ** 2 + 0.5 * (1 - 1) ** 2)
    policy.mean = 1.0
    assert stepped() == 1.0
