"""An ensemble depends on its seed alone, scores what it is asked, and weighs its members alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from prefrl.rewards.ensemble import CHUNK, Ensemble
from prefrl.rewards.options import EnsembleOptions
from prefrl.specs import BuildContext
from prefrl.types import Episode, Segment

SMALL = EnsembleOptions(members=2, hidden=(8,))
Segments, Episodes = Callable[..., Segment], Callable[..., Episode]


def weights(model: Ensemble) -> list[torch.Tensor]:
    return [parameter.detach().clone() for member in model.scorers() for parameter in member.parameters()]


def equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_weights_follow_from_the_seed_and_from_nothing_else(context: BuildContext) -> None:
    torch.manual_seed(1)
    one = weights(Ensemble(SMALL, context))
    torch.manual_seed(2)
    assert equal(weights(Ensemble(SMALL, context)), one)
    assert not equal(weights(Ensemble(SMALL, replace(context, seed=1))), one)


def test_it_takes_nothing_from_the_global_generator(context: BuildContext) -> None:
    before = torch.get_rng_state()
    model = Ensemble(SMALL, context)
    model.reset()
    assert torch.equal(torch.get_rng_state(), before)


def test_members_differ_and_a_reset_gives_fresh_weights(context: BuildContext) -> None:
    model = Ensemble(SMALL, context)
    first, second = (list(member.parameters()) for member in model.scorers())
    assert not torch.equal(first[0], second[0])
    before = weights(model)
    model.reset()
    assert not equal(weights(model), before)
    again = Ensemble(SMALL, context)
    again.reset()
    assert equal(weights(again), weights(model))


def test_weights_start_within_pytorchs_bounds(context: BuildContext) -> None:
    layer = Ensemble(EnsembleOptions(members=1, hidden=(400,)), context).scorers()[0].net[0]
    bound = 5**-0.5
    largest = layer.weight.abs().max().item()  # type: ignore[operator,union-attr]
    assert 0.99 * bound < largest <= bound


@pytest.mark.parametrize("output", ["tanh", "linear"])
def test_tanh_bounds_a_step_and_linear_does_not(context: BuildContext, segment: Segments, output: str) -> None:
    model = Ensemble(EnsembleOptions(members=1, hidden=(8,), output=output), context)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in model.scorers()[0].parameters():
            parameter.mul_(50)
    assert (abs(model.returns([segment(i, 1) for i in range(20)])).max() <= 1) == (output == "tanh")


def test_returns_sum_the_steps_of_each_item_alone(context: BuildContext, segment: Segments) -> None:
    model = Ensemble(SMALL, context)
    items = [segment(0, 4), segment(1, 2), segment(2, 7)]
    together = model.returns(items)
    assert together.shape == (2, 3)
    alone = np.concatenate([model.returns([item]) for item in items], axis=1)
    assert together == pytest.approx(alone, abs=1e-5)
    by_step = sum(model.returns([Segment.of(items[0].obs[t : t + 2], items[0].action[t : t + 1])]) for t in range(4))
    assert together[:, :1] == pytest.approx(by_step, abs=1e-5)


def test_scores_are_the_returns_of_the_chosen_items(context: BuildContext, segment: Segments) -> None:
    model = Ensemble(SMALL, context)
    items = [segment(0, 4), segment(1, 2)]
    batch = model.collate(items)
    steps = torch.tensor([[[0, 1, 2, 3], [0, 1, -1, -1]], [[0, 1, -1, -1], [0, 0, 0, 0]]])
    index = torch.tensor([[0, 1], [1, -1]])
    for member, returns in zip(model.scorers(), model.returns(items), strict=True):
        scores = member.score(batch, index, steps, torch.tensor([[1.0, 2.0], [1.0, 1.0]]))
        assert scores.mask.tolist() == [[True, True], [True, False]]
        expected = [[returns[0], 2 * returns[1]], [returns[1], 0.0]]
        assert scores.s.detach().numpy() == pytest.approx(np.array(expected), abs=1e-5)


def test_rewards_are_of_unit_spread_for_each_member(context: BuildContext, episode: Episodes) -> None:
    model = Ensemble(SMALL, context)
    recent = [episode(0, 200), episode(1, 300)]
    model.observe(recent)
    with torch.no_grad():  # one member shouts a hundred times louder
        model.scorers()[1].net[-2].weight.mul_(0.01)  # type: ignore[operator,union-attr]
        model.scorers()[1].net[-2].bias.mul_(0.01)  # type: ignore[operator,union-attr]
    model.fitted()
    channels = model.rewards(recent)
    assert {name: values.shape for name, values in channels.items()} == {"reward": (500,), "std": (500,)}
    raw = np.concatenate([model.returns([Segment.of(e.obs[t : t + 2], e.action[t : t + 1]) for t in range(len(e))]) for e in recent], 1)  # fmt: skip
    normal = raw / raw.std(1, keepdims=True)
    assert channels["reward"] == pytest.approx(normal.mean(0), abs=1e-3)
    assert channels["std"] == pytest.approx(normal.std(0), abs=1e-3)
    assert model.version == 1


def test_centred_rewards_have_mean_zero_over_what_was_observed(context: BuildContext, episode: Episodes) -> None:
    recent = [episode(0, 400)]
    for center in (True, False):
        model = Ensemble(EnsembleOptions(members=2, hidden=(8,), center=center), context)
        model.observe(recent)
        model.fitted()
        assert (abs(model.rewards(recent)["reward"].mean()) < 1e-4) == center


def test_inputs_are_normalised_by_what_was_observed(context: BuildContext, episode: Episodes) -> None:
    model, other = Ensemble(SMALL, context), Ensemble(SMALL, context)
    plain = episode(0, 300)
    shifted = replace(plain, obs=plain.obs * 50 + 1000)
    model.observe([plain])
    other.observe([shifted])
    assert other.rewards([shifted])["reward"] == pytest.approx(model.rewards([plain])["reward"], abs=1e-3)
    constant = replace(plain, obs=np.zeros_like(plain.obs))
    model.observe([constant])
    assert np.isfinite(model.rewards([plain])["reward"]).all()


def test_chunks_change_nothing(context: BuildContext, episode: Episodes) -> None:
    model = Ensemble(SMALL, context)
    long = episode(0, CHUNK + 7)
    whole = model.rewards([long])["reward"]
    tail = replace(long, obs=long.obs[-8:], action=long.action[-7:])
    assert whole.shape == (CHUNK + 7,)
    assert whole[-7:] == pytest.approx(model.rewards([tail])["reward"], abs=1e-6)


def test_nothing_observed_leaves_the_scale_as_it_is(context: BuildContext, episode: Episodes) -> None:
    model = Ensemble(SMALL, context)
    before = model.rewards([episode(0)])["reward"]
    model.observe([])
    model.fitted()
    assert np.array_equal(model.rewards([episode(0)])["reward"], before)


def test_a_saved_state_scores_the_same(context: BuildContext, episode: Episodes, tmp_path: Path) -> None:
    model = Ensemble(SMALL, context)
    model.observe([episode(1, 100)])
    model.reset()
    model.fitted()
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = Ensemble(SMALL, replace(context, seed=7))
    other.load_state_dict(torch.load(tmp_path / "model.pt"))
    assert other.version == 1
    for name, values in model.rewards([episode(0)]).items():
        assert np.array_equal(other.rewards([episode(0)])[name], values)
    other.fitted()  # what was observed came along: the output scale can be set anew
    model.fitted()
    assert np.array_equal(other.rewards([episode(0)])["reward"], model.rewards([episode(0)])["reward"])
