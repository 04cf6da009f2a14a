import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl.losses import Kind, Labels, Scores
from prefrl.losses.listwise import build
from prefrl.losses.options import BradleyTerryOptions, PlackettLuceOptions
from prefrl.losses.pairwise import build as build_pairs


def pl(**options):
    return build(PlackettLuceOptions(**options))


def loss_of(loss, s, labels):
    return loss(Scores.of(s), labels).loss


@pytest.mark.parametrize("labels", ["ranked", "graded"])
@pytest.mark.parametrize(
    ("options", "vector"),
    [
        ({}, "PL.full"),
        ({"stages": "mean"}, "PL.full/(K-1)"),
        ({"top_k": 1}, "PL.top1(best-of-K choice)"),
        ({"top_k": 2}, "PL.top2"),
    ],
)
def test_vectors(v, labels, options, vector):
    v.close(loss_of(pl(**options), v.list, getattr(v, labels)()), vector)


def test_a_choice_is_softmax(v):
    labels = Labels(Kind.CHOICE, rank=torch.tensor([[0, 1, 1, 1]]))
    v.close(loss_of(pl(), v.list, labels), "PL.top1(best-of-K choice)")


def test_ties_are_chosen_from_their_own_tier(v):
    v.close(loss_of(pl(), v.list, v.ranked((0, 1, 1, 2))), "PL.breslow rank=[0,1,1,2]")


def test_gradient(v):
    s = v.list.clone().requires_grad_()
    loss_of(pl(), s, v.ranked()).backward()
    v.close(s.grad[0], "GRAD.PL dL/ds")


def test_a_ranking_of_two_is_bradley_terry(v):
    v.close(loss_of(pl(), v.s[:1], Labels(Kind.RANK, rank=torch.tensor([[0, 1]]))), "PL.K2==BT")
    pairwise = build_pairs(BradleyTerryOptions())
    torch.testing.assert_close(loss_of(pl(), v.s, v.pairs()), loss_of(pairwise, v.s, v.pairs()))
    torch.testing.assert_close(
        loss_of(pl(temperature=0.5), v.s, v.pairs()),
        loss_of(build_pairs(BradleyTerryOptions(temperature=0.5)), v.s, v.pairs()),
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_probabilities_of_all_rankings_sum_to_one(scores):
    s = torch.tensor([scores], dtype=torch.float64)
    each = [
        loss_of(pl(), s, Labels(Kind.RANK, rank=torch.tensor([ranks]))) for ranks in itertools.permutations(range(3))
    ]
    torch.testing.assert_close(torch.stack(each).neg().exp().sum(), torch.tensor(1.0).double())


def test_items_that_were_not_ranked_take_no_part(v):
    partial = loss_of(pl(), v.list, v.ranked((0, -1, 1, 2)))
    alone = loss_of(pl(), v.list[:, [0, 2, 3]], v.ranked((0, 1, 2)))
    torch.testing.assert_close(partial, alone)


def test_a_list_that_orders_nothing_has_no_weight(v):
    out = pl()(Scores.of(v.list), v.ranked((-1, 0, -1, -1)))
    assert out.weight.tolist() == [0]
    assert out.loss.item() == 0


def test_metrics(v):
    means = pl()(Scores.of(v.list), v.graded()).metrics.means()
    v.close(means["ndcg@4"], "METRIC.ndcg")
    assert means["acc"] == pytest.approx(2 / 6)
    predicted, target, _ = pl().probabilities(Scores.of(v.list), v.ranked())
    assert len(predicted) == 6
    assert bool((target == 1).all())
