"""A policy as what answers are fitted to: its raw scores are sums of its own log-probabilities, and nothing beside."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO, SAC, TD3

from prefrl.builtin import prefrl_register_losses
from prefrl.errors import ConfigError, RunError
from prefrl.fit import Trainer, gather
from prefrl.losses import build_loss
from prefrl.policies import SB3Policy
from prefrl.rewards.options import PolicyOptions
from prefrl.rewards.policy import ByPolicy
from prefrl.settings import FitSettings
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo, Episode, Preference, Query, Segment, Tiers

ENV = EnvInfo("Pendulum-v1", (3,), (1,))
CONTEXT = BuildContext(run="run", name="reward", seed=0, env=ENV)
LOSSES = {spec.name: spec for spec in prefrl_register_losses()}
KINDS: dict[str, Any] = {"ppo": PPO, "sac": SAC, "td3": TD3}


def policy(kind: str) -> SB3Policy:
    given: dict[str, Any] = {"n_steps": 32, "batch_size": 32} if kind == "ppo" else {"buffer_size": 10}
    net = {"net_arch": [16]}
    return SB3Policy(
        KINDS[kind]("MlpPolicy", gym.make("Pendulum-v1"), seed=0, policy_kwargs=net, device="cpu", **given), None
    )


def model(kind: str = "sac", log_prob: Any = "density") -> tuple[ByPolicy, SB3Policy]:
    scored, acting = ByPolicy(PolicyOptions(log_prob=log_prob), CONTEXT), policy(kind)
    scored.adopt(acting)
    return scored, acting


def clip(seed: int, steps: int) -> Segment:
    rng = np.random.default_rng(seed)
    return Segment.of(rng.normal(size=(steps + 1, 3)), rng.uniform(-2, 2, (steps, 1)).astype(np.float32))


CLIPS = [clip(0, 6), clip(1, 4), clip(2, 6)]
INDEX = torch.tensor([[0, 1], [2, -1]])
STEPS = torch.tensor([[[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, -1, -1]], [[1, 3, -1, -1, -1, -1], [-1] * 6]])


@pytest.mark.parametrize("kind", ["ppo", "sac"])
def test_scores_are_sums_of_log_probabilities_of_executed_actions(kind: str) -> None:
    scored, acting = model(kind)
    (scorer,) = scored.scorers()
    scores = scorer.score(scored.collate(CLIPS), INDEX, STEPS, torch.ones(2, 2))
    own = [acting.own_actions(one.action).numpy() for one in CLIPS]
    each = [acting.log_prob(one.obs[:-1], action) for one, action in zip(CLIPS, own, strict=True)]
    if kind == "sac":
        assert max(abs(action).max() for action in own) <= 1  # torques of 2 are 1 on its scale
    expected = [[each[0].sum(), each[1].sum()], [each[2][[1, 3]].sum(), 0.0]]
    np.testing.assert_allclose(scores.s.detach(), expected, rtol=1e-4)
    np.testing.assert_allclose(scores.aux["ref_logp"], expected, rtol=1e-4)  # it is its own reference so far
    assert scores.aux["length"].tolist() == [[6, 4], [2, 0]]
    assert scores.mask.tolist() == [[True, True], [True, False]]
    assert scores.step is not None
    np.testing.assert_allclose(scores.step.sum(-1).detach(), scores.s.detach())


def test_a_sample_of_steps_is_scaled_to_the_clip() -> None:
    scored, _ = model()
    (scorer,) = scored.scorers()
    scores = scorer.score(scored.collate(CLIPS), INDEX[1:], STEPS[1:], torch.full((1, 2), 3.0))
    plain = scorer.score(scored.collate(CLIPS), INDEX[1:], STEPS[1:], torch.ones(1, 2))
    np.testing.assert_allclose(scores.s.detach(), 3 * plain.s.detach())
    assert scores.aux["length"].tolist() == [[6, 0]]


@pytest.mark.parametrize("kind", ["ppo", "sac", "td3"])
def test_distance_is_to_the_deterministic_action(kind: str) -> None:
    scored, acting = model(kind, "distance")
    one = CLIPS[0]
    found = scored.rewards([Episode("e", one.obs, one.action)])["reward"]
    acted = acting.act(one.obs[:-1]) / (1 if kind == "ppo" else 2)
    np.testing.assert_allclose(
        found, -np.square(acted - acting.own_actions(one.action).numpy()).sum(1), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(scored.returns([one, CLIPS[1]])[0, 0], found.sum(), rtol=1e-5)


@pytest.mark.parametrize(("loss", "at_first"), [("dpo", math.log(2)), ("cpl_kl", math.log(2))])
def test_it_begins_at_its_reference_and_leaves_it(loss: str, at_first: float) -> None:
    scored, _ = model(log_prob="distance")
    queries = [Query.of("run", i, (clip(2 * i, 4), clip(2 * i + 1, 4))) for i in range(8)]
    said = [Preference.of(query, Tiers(((0,), (1,))), source="teacher") for query in queries]
    answers = gather(said, {query.id: query for query in queries}, {}, scored, 0.0)
    settings = FitSettings(epochs=60, learning_rate=1e-2, validation=0, stop_accuracy=None)
    trainer = Trainer(scored, build_loss([(1.0, loss, LOSSES[loss].options())], LOSSES), settings, (), (), 0)
    assert trainer.measure(answers, held_out=False)["loss"] == pytest.approx(at_first, abs=1e-5)
    fit = trainer.fit(answers, 0, 0)
    assert fit.accuracy > 0.8
    assert scored.version == 1
    assert fit.loss < at_first
    assert fit.metrics["kl_ref"] != 0

    later = ByPolicy(PolicyOptions(), CONTEXT)
    later.adopt(policy("sac"))
    later.load_state_dict(scored.state_dict())
    assert later.version == 1
    scored.reset()
    assert trainer.measure(answers, held_out=False)["loss"] == pytest.approx(at_first, abs=1e-5)


def test_what_it_cannot_do_is_one_sentence() -> None:
    scored, _ = model("td3")
    with pytest.raises(RunError, match="A TD3 policy is deterministic"):
        scored.returns(CLIPS)
    with pytest.raises(ConfigError, match="'policy' is the policy that learns, and pays it no reward"):
        ByPolicy(PolicyOptions(), CONTEXT).returns(CLIPS)
    discrete = BuildContext(run="run", name="reward", seed=0, env=EnvInfo("CartPole-v1", (4,), (), discrete_actions=2))
    with pytest.raises(
        ConfigError, match="'distance' is between continuous actions, and those of CartPole-v1 are discrete"
    ):
        ByPolicy(PolicyOptions(), discrete)


# --- what a good policy's critic says of actions ---------------------------------------------------------------------


def test_an_advantage_is_what_an_action_is_worth_beyond_the_policys_own() -> None:
    for kind in ("sac", "td3"):
        acting = policy(kind)
        obs = CLIPS[0].obs[:-1]
        first, again = (acting.advantage(obs, CLIPS[0].action, 8) for _ in range(2))
        np.testing.assert_array_equal(first, again)  # whatever was drawn in between
        assert first.std() > 0
    own = acting.act(obs)
    np.testing.assert_allclose(acting.advantage(obs, own, 1), 0, atol=1e-5)  # TD3's own action


def test_ppo_has_no_critic_of_actions() -> None:
    with pytest.raises(RunError, match="A PPO policy has no critic of actions"):
        policy("ppo").advantage(CLIPS[0].obs[:-1], CLIPS[0].action, 1)
