import pytest
import torch

from prefrl.losses import Scores, to_pairs
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pair_weights import build_pair_weight
from prefrl.losses.pairwise import build


def weights(v, pair_weight, labels, scores):
    part = BradleyTerryOptions(pair_weight=pair_weight).pair_weight
    pairs = to_pairs(labels, scores.mask).to(scores.s)
    found = build_pair_weight(part)(scores, scores.s, labels, pairs)
    return {(i, j): w for i, j, w in zip(pairs.i.tolist(), pairs.j.tolist(), found.tolist(), strict=True)}


def test_grade_gap(v):
    found = weights(v, "grade_gap", v.graded(), Scores.of(v.list))
    assert found[0, 3] == pytest.approx(0.8)
    assert found[1, 3] == pytest.approx(0.1)
    assert weights(v, "grade_gap", v.ranked(), Scores.of(v.list))[0, 3] == pytest.approx(1.0)


def test_focal_forgets_what_is_explained(v):
    found = weights(v, {"focal": 2.0}, v.pairs(torch.ones(3).double()), Scores.of(v.tensor([[3.0, 0.0]] * 3)))
    assert found[0, 1] == pytest.approx(torch.sigmoid(torch.tensor(-3.0)).item() ** 2)
    plain = build(BradleyTerryOptions(pair_weight={"focal": 0.0}))(Scores.of(v.s), v.pairs()).loss
    v.close(plain, "BT.soft_mean")


def test_policy_likelihood_is_that_of_both_items(v):
    scores = Scores.of(v.logp[:1], length=v.length[:1])
    found = weights(v, "policy_likelihood", v.first_wins(1), scores)
    assert found[0, 1] == pytest.approx(torch.tensor(-12 / 10 - 15 / 12).exp().item())
    dense = Scores.of(v.tensor([[500.0, 300.0]]), length=v.tensor([[2.0, 2.0]]))  # log-densities may be positive
    assert weights(v, "policy_likelihood", v.first_wins(1), dense)[0, 1] == 1.0


@pytest.mark.parametrize("pair_weight", ["lambda_ndcg", "grade_gap", "focal", "policy_likelihood"])
def test_no_gradient_flows_through_a_weight(v, pair_weight):
    """The gradient is that of the weights held fixed at their values."""
    labels, s = v.graded(), v.list.clone().requires_grad_()
    scores = Scores.of(s, length=torch.ones_like(s))
    loss = build(BradleyTerryOptions(pair_weight=pair_weight))
    (found,) = torch.autograd.grad(loss(scores, labels).loss, s)
    pairs = to_pairs(labels, scores.mask).to(s)
    fixed = loss.pair_weight(scores.detach(), s.detach(), labels, pairs)
    by_hand = (fixed * pairs.w * torch.nn.functional.softplus(s[0, pairs.j] - s[0, pairs.i])).sum()
    (expected,) = torch.autograd.grad(by_hand, s)
    torch.testing.assert_close(found, expected)
