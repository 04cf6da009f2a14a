"""A language model acts by the likelihood of names, begins at its reference, and asks the reference each thing once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prefrl.errors import ConfigError
from prefrl.losses import Kind, Labels
from prefrl.losses.pairwise import build
from prefrl.losses.policy_options import CplKlOptions, DpoOptions
from prefrl.rewards.options import PolicyOptions
from prefrl.rewards.policy import ByPolicy
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo, Segment
from prefrl_llm.language import Language
from prefrl_llm.options import BuiltOptions, LearnerOptions, Named
from prefrl_llm.policy import TextPolicy
from prefrl_llm.prompts import Prompts

NAMES = ("go left", "go right", "stay where you are")
OBS = np.random.default_rng(0).uniform(-1, 1, (12, 2))


def policy(**changes: Any) -> TextPolicy:
    where = Named(entry=0, edges=(-0.3, 0.3), words=("left", "middle", "right"))
    options = LearnerOptions(
        prompt="the ball is {where}", describe={"where": where}, built=BuiltOptions(width=32, context=64), **changes
    )
    prompts = Prompts(options, 2, ())
    language = Language(options, [*prompts.examples(), *NAMES], 0, "cpu", "algo")
    made = TextPolicy(language, prompts, NAMES, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for weight in made.network.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    return made


def taught(model: TextPolicy) -> TextPolicy:
    with torch.no_grad():
        for weight in model.network.parameters():
            if weight.requires_grad:
                weight.add_(0.1)
    return model


def clips(n: int, steps: int = 2) -> list[Segment]:
    rng = np.random.default_rng(1)
    return [Segment.of(rng.uniform(-1, 1, (steps + 1, 2)), rng.integers(3, size=steps)) for _ in range(n)]


def by_policy(model: TextPolicy) -> ByPolicy:
    info = EnvInfo("Toy-v0", (2,), (), discrete_actions=3)
    reward = ByPolicy(PolicyOptions(log_prob="density"), BuildContext("run", "reward", 0, info))
    reward.adopt(model)
    return reward


def scores(reward: ByPolicy, items: list[Segment]) -> Any:
    batch = reward.collate(items)
    index = torch.arange(len(items)).view(-1, 2)
    steps = torch.arange(2).expand(*index.shape, 2)
    return reward.scorers()[0].score(batch, index, steps, torch.ones(index.shape))


def test_it_says_the_likeliest_name_and_draws_the_others_as_likely_as_they_are() -> None:
    model = policy()
    chances = model.scores(OBS[:1]).softmax(1)[0].numpy()
    assert model.act(OBS[:1]) == chances.argmax()
    drawn = np.concatenate([model.act(np.repeat(OBS[:1], 500, 0), deterministic=False) for _ in range(4)])
    assert np.abs(np.bincount(drawn, minlength=3) / 2000 - chances).max() < 0.04


def test_scores_are_the_log_probabilities_of_each_name_alone() -> None:
    model = policy()
    every = model.scores(OBS)
    assert every.shape == (12, 3)
    for action in range(3):
        alone = model.log_prob(OBS, np.full(12, action))
        assert np.allclose(every[:, action], alone, atol=1e-5)


def test_dpo_begins_at_ln_2_and_its_gradient_pulls_the_two_apart() -> None:
    reward = by_policy(policy())
    out = build(DpoOptions())(scores(reward, clips(8)), Labels(Kind.PAIR, pref=torch.ones(4)))
    assert float(out.loss.detach()) == pytest.approx(math.log(2), abs=1e-7)
    out.loss.backward()
    moved = [weight.grad for weight in reward.scorers()[0].parameters() if weight.grad is not None]
    assert sum(float(each.norm()) for each in moved) > 0


def test_with_one_step_and_bias_1_cpl_kl_is_dpo_by_hand() -> None:
    model = policy()
    reward = by_policy(model)
    taught(model)
    items = clips(8, steps=1)
    batch = reward.collate(items)
    index = torch.arange(8).view(-1, 2)
    found = reward.scorers()[0].score(batch, index, torch.zeros(4, 2, 1, dtype=torch.long), torch.ones(4, 2))
    ratio = (found.s - found.aux["ref_logp"]).detach()
    by_hand = torch.nn.functional.softplus(-0.2 * (ratio[:, 0] - ratio[:, 1])).mean()
    out = build(CplKlOptions(alpha=0.2, bias=1.0))(found, Labels(Kind.PAIR, pref=torch.ones(4)))
    assert float(out.loss.detach()) == pytest.approx(float(by_hand), abs=1e-6)
    assert ratio.abs().max() > 1e-3


# --- the reference ---


def test_the_reference_acts_as_the_policy_did_and_nothing_is_loaded_into_it() -> None:
    model = policy()
    reference = model.frozen()
    before = model.scores(OBS)
    taught(model)
    assert torch.equal(reference.scores(OBS), before)
    assert not torch.allclose(model.scores(OBS), before, atol=1e-3)
    reference.load_state_dict(model.state_dict())
    assert torch.equal(reference.scores(OBS), before)
    model.load_state_dict(reference.state_dict())
    assert torch.equal(model.scores(OBS), before)


def test_the_reference_is_asked_each_thing_once_in_this_run_and_the_next(tmp_path: Path) -> None:
    path = str(tmp_path / "kept" / "reference.json")
    model = policy(cache=path)
    reference = model.frozen()
    actions = np.arange(12) % 3
    first = reference.log_prob(OBS, actions)
    assert reference.cache.computed <= 9  # three places, three names
    asked = reference.cache.computed
    assert np.array_equal(reference.log_prob(OBS, actions), first)
    assert reference.cache.computed == asked
    model.save(tmp_path / "model.zip")

    again = policy(cache=path).frozen()
    assert np.array_equal(again.log_prob(OBS, actions), first)
    assert again.cache.computed == 0

    other = taught(policy(cache=path)).frozen()  # another reference: what was kept is of no use
    assert not np.allclose(other.log_prob(OBS, actions), first)
    assert other.cache.computed == asked


def test_names_that_a_tokenizer_cannot_tell_apart_are_refused() -> None:
    model = policy()
    model.language.tokenizer.encode = lambda text, **_: [5]
    with pytest.raises(ConfigError, match="cannot tell action 'go right' from 'go left'"):
        TextPolicy(model.language, model._prompts, NAMES, model.generator)
