from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from prefrl.rewards.options import TransformerOptions
from prefrl.rewards.transformer import PreferenceTransformer
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo, Episode, Segment

ENV = EnvInfo("Toy-v0", (2,), (1,))
CONTEXT = BuildContext(run="run", name="reward", seed=0, env=ENV)


def model(**options: Any) -> PreferenceTransformer:
    return PreferenceTransformer(TransformerOptions.model_validate({"width": 16, "heads": 2, **options}), CONTEXT)


def segment(steps: int, seed: int = 0) -> Segment:
    rng = np.random.default_rng(seed)
    return Segment.of(rng.normal(size=(steps + 1, 2)), rng.normal(size=(steps, 1)))


def test_weights_sum_to_one_over_the_steps_there_are() -> None:
    for weighted in (True, False):
        member = model(weighted_sum=weighted).members[0]
        mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
        _, weight = member(torch.randn(2, 7, 3), mask)
        assert weight.sum(1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
        assert weight[1, 4:].abs().max() == 0
        if not weighted:
            assert weight[1, :4].tolist() == pytest.approx([0.25] * 4)


def test_padding_changes_nothing() -> None:
    reward = model()
    short, long = segment(4), segment(9, seed=1)
    alone, together = reward.returns([short]), reward.returns([short, long])
    assert alone[0, 0] == pytest.approx(together[0, 0], abs=1e-5)


def test_without_time_and_causal_mask_the_order_of_steps_does_not_matter() -> None:
    order = [3, 0, 4, 1, 2]
    for time, causal, equal in ((False, False, True), (True, False, False), (False, True, False)):
        member = model(time=time, causal=causal).members[0]
        inputs = torch.randn(1, 5, 3)
        mask = torch.ones(1, 5, dtype=torch.bool)
        scores = [(r * w).sum().item() for r, w in (member(inputs, mask), member(inputs[:, order], mask))]
        assert (scores[0] == pytest.approx(scores[1], abs=1e-5)) is equal


def test_a_steps_reward_is_its_value_at_the_end_of_its_window() -> None:
    reward = model(context=3)
    rng = np.random.default_rng(0)
    episode = Episode("e", rng.normal(size=(7, 2)), rng.normal(size=(6, 1)))
    given = reward.rewards([episode])["reward"]
    assert given.shape == (6,)
    inputs = torch.tensor(np.concatenate([episode.obs[:-1], episode.action], 1), dtype=torch.float32)
    for t in range(6):
        window = inputs[max(0, t - 2) : t + 1].unsqueeze(0)
        # places are counted from the window's beginning: shorter ones at an episode's start are padded there
        padded = torch.cat([torch.zeros(1, 3 - window.shape[1], 3), window], 1)
        mask = torch.arange(3).unsqueeze(0) >= 3 - window.shape[1]
        assert given[t] == pytest.approx(reward.members[0](padded, mask)[0][0, -1].item(), abs=1e-5)


def test_what_was_saved_scores_the_same() -> None:
    first, second = model(members=2), model(members=2)
    first.observe([Episode("e", np.random.default_rng(1).normal(size=(40, 2)), np.zeros((39, 1)))])
    first.fitted()
    second.load_state_dict(first.state_dict())
    assert np.array_equal(first.returns([segment(5)]), second.returns([segment(5)]))
    assert second.version == 1


def test_attention_finds_the_steps_that_decide() -> None:
    """Clips are preferred by the last of their 12 steps alone: attention comes to lie on the last five."""
    member = model(layers=1).members[0]
    optimizer = torch.optim.Adam(member.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(64, 12, dtype=torch.bool)
    for _ in range(80):
        pair = torch.randn(2, 64, 12, 3, generator=generator)
        scores = [(r * w).sum(1) for r, w in (member(side, mask) for side in pair)]
        target = (pair[0, :, -1, 0] > pair[1, :, -1, 0]).float()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores[0] - scores[1], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    _, weight = member(torch.randn(64, 12, 3, generator=generator), mask)
    assert weight[:, -5:].sum(1).mean().item() > 0.5


def test_widths_that_cannot_be_divided_are_refused() -> None:
    with pytest.raises(ValidationError, match="must be even and a multiple of heads"):
        TransformerOptions(width=10, heads=4)
