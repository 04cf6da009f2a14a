"""RIME's thresholds are those of the paper's code; what it distrusts has no weight, what it is sure is wrong is turned round."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from prefrl.errors import ConfigError
from prefrl.filters.options import RimeOptions
from prefrl.filters.rime import Rime, costs
from prefrl.losses import Kind, Labels, PrefLoss
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build
from prefrl.specs import BuildContext, FilterContext
from prefrl.types import EnvInfo

CONTEXT = BuildContext(run="run", name="rime", seed=0, env=EnvInfo("Toy-v0", (1,), (1,)))
PLAIN = build(BradleyTerryOptions())


def rime(**options: Any) -> Rime:
    return Rime(RimeOptions(**options), CONTEXT)


def looked(differences: list[float], training: list[bool] | None = None, loss: PrefLoss = PLAIN) -> FilterContext:
    """One member that sees item 0 ahead by these differences."""
    ahead = torch.tensor(differences)
    rows = torch.tensor(training if training is not None else [True] * len(differences))
    return FilterContext(loss, torch.stack([ahead, torch.zeros_like(ahead)], 1).unsqueeze(0), rows, lambda _: ahead)


def firsts(n: int, **fields: Tensor) -> Labels:
    return Labels(Kind.PAIR, pref=torch.ones(n), outcome=torch.tensor([[1.0, 0.0, 0.0]]).repeat(n, 1), **fields)


def test_the_schedules_ends_and_the_flipping_threshold() -> None:
    filtering = rime()
    assert filtering.beta == 3.0
    filtering.looks = 30
    assert filtering.beta == pytest.approx(2.0)
    filtering.looks = 60
    assert filtering.beta == 1.0
    filtering.looks = 1000
    assert filtering.beta == 1.0
    assert filtering.flipped_above == pytest.approx(6.907755, abs=1e-6)


def test_at_first_everything_is_trusted() -> None:
    filtering = rime()
    assert filtering.trusted_below == pytest.approx(-math.log(1e-8) + 3.0)
    out = filtering.apply(firsts(3), looked([5.0, 0.0, -5.0]))
    assert out.weight is not None
    assert out.weight.tolist() == [1.0, 1.0, 1.0]


def test_the_threshold_follows_what_was_trusted() -> None:
    filtering = rime()
    filtering.apply(firsts(2), looked([0.0, 2.0]))
    cost = [math.log(2), math.log1p(math.exp(-2))]
    mean, largest = sum(cost) / 2, 0.1 * cost[0]
    variance = sum((c - mean) ** 2 for c in cost) / 2
    assert (filtering.largest, filtering.variance) == pytest.approx((largest, variance))
    beta = 3 - 2 / 60
    assert filtering.trusted_below == pytest.approx(-math.log(largest + 1e-8) + 0.5 * largest + beta * variance)
    filtering.apply(firsts(1), looked([2.0]))  # the second look pools variances around the moving mean
    apart = cost[1] - 0.1 * mean
    assert filtering.variance == pytest.approx((variance * 2 + apart**2 * 2 * 1 / 3) / 3)
    assert filtering.largest == pytest.approx(largest + 0.1 * (cost[1] - largest))


def test_distrusted_answers_lose_their_weight_and_improbable_ones_are_turned_round() -> None:
    filtering = rime()
    filtering.largest, filtering.variance = 0.5, 0.1  # trusted below ln 2 + 0.25 + 0.3 = 1.24
    assert filtering.trusted_below == pytest.approx(-math.log(0.5) + 0.25 + 0.3, abs=1e-6)
    labels = firsts(3, weight=torch.tensor([2.0, 2.0, 2.0]))
    out = filtering.apply(labels, looked([1.0, -3.0, -8.0]))  # costs 0.31, 3.05, 8.0
    assert out.weight is not None
    assert out.pref is not None
    assert out.outcome is not None
    assert out.weight.tolist() == [2.0, 0.0, 2.0]
    assert out.pref.tolist() == [1.0, 1.0, 0.0]
    assert out.outcome[2].tolist() == [0.0, 1.0, 0.0]
    assert labels.pref is not None
    assert labels.pref.tolist() == [1.0] * 3  # turned for this look only


def test_no_answer_is_turned_round_if_so_told() -> None:
    filtering = rime(flip=0.0)
    filtering.largest = 0.5
    out = filtering.apply(firsts(1), looked([-20.0]))
    assert out.pref is not None
    assert out.weight is not None
    assert (out.pref.tolist(), out.weight.tolist()) == ([1.0], [0.0])


def test_the_cost_is_under_the_mean_of_the_members_probabilities() -> None:
    context = looked([0.0])
    two = FilterContext(PLAIN, torch.tensor([[[3.0, 0.0]], [[-1.0, 0.0]]]), context.training, context.refit)
    p = (1 / (1 + math.exp(-3)) + 1 / (1 + math.exp(1))) / 2
    assert costs(firsts(1), two).tolist() == pytest.approx([-math.log(p)])
    tempered = FilterContext(build(BradleyTerryOptions(temperature=2.0)), two.scores[:1], two.training, two.refit)
    assert costs(firsts(1), tempered).tolist() == pytest.approx([math.log1p(math.exp(-1.5))])


def test_what_is_held_out_or_without_weight_teaches_it_nothing() -> None:
    seen, partly = rime(), rime()
    seen.apply(firsts(1), looked([1.0]))
    partly.apply(firsts(3, weight=torch.tensor([1.0, 1.0, 0.0])), looked([1.0, -4.0, -5.0], [True, False, True]))
    assert partly.state_dict() == seen.state_dict()


def test_its_state_goes_on() -> None:
    one, other = rime(), rime()
    one.apply(firsts(2), looked([0.0, 2.0]))
    other.load_state_dict(one.state_dict())
    for filtering in (one, other):
        filtering.apply(firsts(2), looked([1.0, -1.0]))
    assert one.state_dict() == other.state_dict()


def test_what_it_cannot_judge_is_said() -> None:
    ranking = Labels(Kind.RANK, rank=torch.tensor([[0, 1, 2]]))
    with pytest.raises(ConfigError, match="rime judges answers about pairs, and these are of kind 'ranking'"):
        rime().apply(ranking, looked([0.0]))
    hinge = build(BradleyTerryOptions.model_validate({"link": "hinge"}))
    with pytest.raises(ConfigError, match="rime needs a loss that models probabilities"):
        rime().apply(firsts(1), looked([0.0], loss=hinge))


def test_beta_that_rises_is_refused() -> None:
    with pytest.raises(ValueError, match="beta only falls"):
        RimeOptions(beta=0.5)
