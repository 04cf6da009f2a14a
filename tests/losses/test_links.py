"""Each link against its formula, written out once more in plain Python, and what it says of probabilities."""

import math

import pytest
import torch

from prefrl.losses.links import BUILD, LARGEST_EXPONENT, build_link
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.parts import LINKS

W, L = 0.8, -0.3  # scores of the winner and the loser


def link(part):
    return build_link(BradleyTerryOptions(link=part).link)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def softplus(x):
    return math.log1p(math.exp(x))


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


COSTS = {
    "logistic": ("logistic", softplus(-(W - L))),
    "noise floor": ({"noise_floor": 0.2}, -math.log(0.1 + 0.8 * sigmoid(W - L))),
    "robust": ({"robust": 0.2}, (0.8 * softplus(-(W - L)) - 0.2 * softplus(W - L)) / 0.6),
    "hinge within": ({"hinge": 2.0}, 2.0 - (W - L)),
    "hinge beyond": ({"hinge": 1.0}, 0.0),
    "biased": ({"biased": 0.5}, softplus(0.5 * L - W)),
    "exponential": ("exponential", math.exp(-(W - L))),
    "absolute": ("absolute", softplus(-W) + softplus(L)),
}


@pytest.mark.parametrize("name", COSTS)
def test_what_a_sure_answer_costs(name):
    part, expected = COSTS[name]
    assert link(part).cost(tensor(W), tensor(L)).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", COSTS)
def test_a_doubtful_answer_mixes_both_directions_and_a_margin_handicaps_the_winner(name):
    made, p, m = link(COSTS[name][0]), 0.7, 0.25
    mixed = made(tensor(W), tensor(L), tensor(p), tensor(m), tensor(0.0))
    expected = p * made.cost(tensor(W - m), tensor(L)) + (1 - p) * made.cost(tensor(L - m), tensor(W))
    torch.testing.assert_close(mixed, expected)


@pytest.mark.parametrize(("p", "m", "goal"), [(1.0, 0.0, 2.5), (0.0, 0.0, -2.5), (0.5, 3.0, 0.0), (1.0, 0.5, 3.0)])
def test_squared_aims_at_a_difference(p, m, goal):
    made = link({"squared": 0.2})
    assert made(tensor(goal), tensor(0.0), tensor(p), tensor(m), tensor(0.0)).item() == 0.0
    assert made(tensor(W), tensor(L), tensor(p), tensor(m), tensor(0.0)).item() == pytest.approx((W - L - goal) ** 2)


def test_probabilities_of_three_outcomes():
    d, nu = W - L, 3.0
    first, second, tie = link({"rao_kupper": nu}).log_probs(tensor(W), tensor(L))[0].exp().tolist()
    assert first == pytest.approx(math.exp(d) / (math.exp(d) + nu))
    assert second == pytest.approx(1 / (1 + nu * math.exp(d)))
    assert tie == pytest.approx((nu**2 - 1) * first * second)
    weights = [math.exp(d / 2), math.exp(-d / 2), 2 * 1.5]
    found = link({"davidson": 1.5}).log_probs(tensor(W), tensor(L))[0].exp().tolist()
    assert found == pytest.approx([weight / sum(weights) for weight in weights])


@pytest.mark.parametrize("part", ["rao_kupper", "davidson"])
def test_a_tie_costs_its_own_probability_and_knows_no_margin(part):
    made = link(part)
    probs = made.log_probs(tensor(W), tensor(L))[0]
    for m in (0.0, 2.0):
        cost = made(tensor(W), tensor(L), tensor(0.5), tensor(m), tensor(1.0))
        torch.testing.assert_close(cost, -probs[2:])
    won = made(tensor(W), tensor(L), tensor(1.0), tensor(0.4), tensor(0.0))
    torch.testing.assert_close(won, -made.log_prob3(tensor(W - L - 0.4))[:, 0])
    lost = made(tensor(W), tensor(L), tensor(0.0), tensor(0.4), tensor(0.0))
    torch.testing.assert_close(lost, -made.log_prob3(tensor(W - L + 0.4))[:, 1])


@pytest.mark.parametrize("part", ["rao_kupper", "davidson"])
def test_the_tie_parameter_is_learned_only_if_asked(part):
    assert [p.requires_grad for p in link(part).parameters()] == [False]
    assert [p.requires_grad for p in link({part: {"learn": True}}).parameters()] == [True]


@pytest.mark.parametrize("part", ["logistic", {"noise_floor": 0.2}, {"robust": 0.2}, {"biased": 1.0}])
def test_two_outcomes_have_probabilities_that_sum_to_one(part):
    probs = link(part).log_probs(tensor(W, L), tensor(L, 5.0)).exp()
    torch.testing.assert_close(probs.sum(1), tensor(1.0, 1.0))
    assert (probs.argmax(1) == torch.tensor([0, 1])).all()


def test_a_noise_floor_is_the_least_probability():
    probs = link({"noise_floor": 0.2}).log_probs(tensor(900.0), tensor(-900.0)).exp()
    torch.testing.assert_close(probs, tensor(0.9, 0.1)[None])


@pytest.mark.parametrize("part", ["hinge", "squared", "exponential", "absolute", {"biased": 0.5}])
def test_the_others_say_nothing_of_probabilities(part):
    assert link(part).log_probs(tensor(W), tensor(L)) is None


def test_an_exponent_is_cut_and_says_so():
    made = link("exponential")
    costs = made.cost(tensor(0.0, 0.0), tensor(LARGEST_EXPONENT, 500.0))
    assert costs.tolist() == [math.exp(LARGEST_EXPONENT)] * 2
    assert made.clamped(tensor(0.0, 0.0, -90.0), tensor(79.0, 81.0, 0.0)).tolist() == [False, True, True]
    assert link("logistic").clamped(tensor(0.0), tensor(500.0)) is None


def test_every_link_that_can_be_named_is_built():
    assert set(BUILD) == set(LINKS)
    for name in LINKS:
        cost = link(name)(tensor(W), tensor(L), tensor(1.0), tensor(0.0), tensor(0.0))
        assert cost.shape == (1,)
        assert cost.isfinite().all()
