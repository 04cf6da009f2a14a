import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl.losses import Kind, Labels, Scores
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build


def bt(**options):
    return build(BradleyTerryOptions(**options))


def loss_of(loss, s, labels):
    return loss(Scores.of(s), labels).loss


@pytest.mark.parametrize(
    ("options", "vector"),
    [
        ({}, "BT.soft_mean"),
        ({"temperature": 0.5}, "BT.temp=0.5"),
        ({"smoothing": 0.1}, "BT.smooth_flip eps=.1"),
        ({"label_tf": [{"smooth_flip": 0.1}]}, "BT.smooth_flip eps=.1"),
        ({"label_tf": [{"smooth_uniform": 0.1}]}, "BT.smooth_uniform eps=.1"),
        ({"link": {"noise_floor": 0.1}}, "BT.noise_floor eps=.1"),
    ],
)
def test_bradley_terry_vectors(v, options, vector):
    v.close(loss_of(bt(**options), v.s, v.pairs()), vector)


def test_per_example_losses(v):
    v.close(bt()(Scores.of(v.s), v.pairs()).per_example, "BT.soft_perpair")
    ones = torch.ones(3, dtype=torch.float64)
    v.close(bt()(Scores.of(v.s), v.pairs(ones)).per_example, "BT.hard_perpair(d,p=1)")


def test_weights_scale_queries(v):
    v.close(loss_of(bt(), v.s, v.pairs(weight=v.tensor([1.0, 2.0, 0.0]))), "BT.weighted(w=1,2,0)")


def test_a_margin_asks_for_more_in_the_preferred_direction(v):
    v.close(loss_of(bt(), v.s, v.pairs(margin=v.tensor([0.5, 0.0, 0.0]))), "BT.margin m=.5,0,0 (p=1,.25,.5)")


def test_gradient(v):
    s = v.s.clone().requires_grad_()
    loss_of(bt(), s, v.pairs()).backward()
    v.close(s.grad, "GRAD.BT.soft dL/dS")


def test_large_differences_cost_what_they_are(v):
    s = v.tensor([[1e4, 0.0], [1e4, 0.0]])
    out = bt()(Scores.of(s), v.pairs(v.tensor([1.0, 0.0])))
    v.close(out.per_example, "STAB.bce d=1e4,p=1|p=0")


def test_a_noise_floor_bounds_the_cost_of_a_wrong_answer(v):
    s = v.tensor([[-1e4, 0.0]])
    v.close(loss_of(bt(link={"noise_floor": 0.1}), s, v.first_wins(1)), "NOISEFLOOR.max loss eps=.1", atol=1e-5)


@pytest.mark.parametrize(("link", "prefix"), [("rao_kupper", "RK.nu=3"), ("davidson", "DAV.nu=1")])
def test_ties_as_an_outcome(v, link, prefix):
    loss = bt(link=link)
    s = v.s.clone().requires_grad_()
    out = loss(Scores.of(s), v.outcomes())
    out.loss.backward()
    v.close(out.per_example, f"{prefix} perpair o=0,1,2")
    v.close(out.loss, f"{prefix} mean")
    v.close(s.grad, f"GRAD.{prefix.replace('.', ' ')}")
    one, zero = v.tensor([0.8]), v.tensor([0.0])
    v.close(loss.link.log_probs(one, zero)[0], f"{prefix} logprobs(d=.8)")
    torch.testing.assert_close(loss.link.log_probs(v.s[:, 0], v.s[:, 1]).exp().sum(1), torch.ones(3).double())


@pytest.mark.parametrize(
    ("link", "vector"), [("rao_kupper", "STAB.RK d=500 o=0,1,2"), ("davidson", "STAB.DAV d=500 o=0,1,2")]
)
def test_tie_links_stay_finite(v, link, vector):
    s = v.tensor([[500.0, 0.0]] * 3)
    v.close(bt(link=link)(Scores.of(s), v.outcomes()).per_example, vector)


def test_a_learned_tie_parameter_moves(v):
    loss = bt(link={"davidson": {"nu": 1.0, "learn": True}})
    loss_of(loss, v.s, v.outcomes()).backward()
    (rho,) = [p for p in loss.parameters() if p.requires_grad]
    assert rho.grad != 0
    assert not [p for p in bt(link="davidson").parameters() if p.requires_grad]


def test_ties_half_or_dropped(v):
    tied = v.pairs(v.tensor([1.0, 0.5, 0.0]))
    half, dropped = (bt(ties=ties)(Scores.of(v.s), tied) for ties in ("half", "drop"))
    assert half.weight.tolist() == [1, 1, 1]
    assert dropped.weight.tolist() == [1, 0, 1]
    kept = v.pairs(v.tensor([1.0, 0.0]))
    torch.testing.assert_close(dropped.loss, loss_of(bt(), v.s[[0, 2]], kept))


# --- lists -----------------------------------------------------------------------------------------------------------


def test_a_list_counts_once_or_once_per_pair(v):
    s = v.tensor([[0.5, -0.1, 0.2], [0.3, 0.9, 0.0]])
    labels = Labels(Kind.RANK, rank=torch.tensor([[0, 1, 2], [1, 0, -1]]))
    mask = torch.tensor([[True, True, True], [True, True, False]])
    # the vector's first list is ranked 0, 1, 2 with differences (.6, .3, -.3)
    for norm in ("list", "pair"):
        found = bt(pair_norm=norm)(Scores(s, mask), labels).loss
        v.close(found, f"PAIRNORM.{norm}")


@pytest.mark.parametrize("labels", ["ranked", "graded"])
def test_all_pairs_of_a_list(v, labels):
    v.close(loss_of(bt(), v.list, getattr(v, labels)()), "RANKNET.allpairs_mean(=DPO_BT list)")


def test_a_choice_beats_each_of_the_rest(v):
    labels = Labels(Kind.CHOICE, rank=torch.tensor([[1, 0, 1, 1]]))
    s = v.list
    expected = torch.nn.functional.softplus(torch.stack([s[0, 0], s[0, 2], s[0, 3]]) - s[0, 1]).mean()
    torch.testing.assert_close(loss_of(bt(), s, labels), expected)


def test_a_ranking_of_two_is_a_pair(v):
    rank = torch.tensor([[0, 1], [1, 0], [0, 0]])
    as_list = loss_of(bt(), v.s, Labels(Kind.RANK, rank=rank))
    torch.testing.assert_close(as_list, loss_of(bt(), v.s, v.pairs(v.tensor([1.0, 0.0, 0.5]))))


# --- properties ------------------------------------------------------------------------------------------------------

numbers = st.floats(-20, 20, allow_nan=False)
probability = st.floats(0, 1)


@st.composite
def batches(draw, size=4):
    column = st.lists(numbers, min_size=size, max_size=size)
    s = torch.tensor([draw(column), draw(column)], dtype=torch.float64).T
    p = torch.tensor(draw(st.lists(probability, min_size=size, max_size=size)), dtype=torch.float64)
    return s, p


LINKS = [
    "logistic",
    "noise_floor",
    "hinge",
    "squared",
    "rao_kupper",
    "davidson",
    "exponential",
    "absolute",
    {"biased": 1.0},
]


@pytest.mark.parametrize("link", LINKS, ids=str)
@settings(max_examples=15, deadline=None)
@given(batch=batches())
def test_swapping_the_items_and_the_answer_changes_nothing(link, batch):
    s, p = batch
    loss = bt(link=link)
    margin = torch.linspace(0, 1, len(p), dtype=torch.float64)
    direct = loss_of(loss, s, Labels(Kind.PAIR, pref=p, margin=margin))
    torch.testing.assert_close(loss_of(loss, s.flip(1), Labels(Kind.PAIR, pref=1 - p, margin=margin)), direct)


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_a_margin_is_met_by_that_much_more(v, link):
    """A pair with margin m costs what the pair whose winner is lower by m costs without one."""
    lowered = v.tensor([[0.7, 0.4], [0.3, 1.1]])
    s = lowered + v.tensor([[0.5, 0.0], [0.0, 0.5]])
    won = v.tensor([1.0, 0.0])
    found = loss_of(bt(link=link), s, v.pairs(won, margin=v.tensor([0.5, 0.5])))
    torch.testing.assert_close(found, loss_of(bt(link=link), lowered, v.pairs(won)))


@settings(max_examples=30, deadline=None)
@given(batch=batches(), e=st.floats(0.01, 0.49))
def test_robust_undoes_flips_on_average(batch, e):
    """E over flips at rate e of the robust loss is the clean loss (its definition)."""
    s, _ = batch
    robust = bt(link={"robust": e})
    ones = torch.ones(len(s), dtype=torch.float64)
    clean = loss_of(bt(), s, Labels(Kind.PAIR, pref=ones))
    right, wrong = (loss_of(robust, s, Labels(Kind.PAIR, pref=p)) for p in (ones, 1 - ones))
    torch.testing.assert_close((1 - e) * right + e * wrong, clean)


@settings(max_examples=30, deadline=None)
@given(batch=batches(), nu=st.floats(1.01, 9))
def test_tie_links_are_normalised(batch, nu):
    s, _ = batch
    for link in ("rao_kupper", "davidson"):
        chance = bt(link={link: nu}).link.log_probs(s[:, 0], s[:, 1]).exp()
        torch.testing.assert_close(chance.sum(1), torch.ones(len(s)).double())


def test_tie_links_without_ties_are_bradley_terry(v):
    plain = loss_of(bt(), v.s, v.pairs(v.tensor([1.0, 0.0, 1.0])))
    for link in ({"rao_kupper": 1 + 1e-9}, {"davidson": 1e-9}):
        found = loss_of(bt(link=link), v.s, v.pairs(v.tensor([1.0, 0.0, 1.0])))
        torch.testing.assert_close(found, plain, atol=1e-6, rtol=0)


def test_tie_probability_is_half_between_equals(v):
    for link in ("rao_kupper", "davidson"):
        tie = bt(link=link).link.log_probs(v.tensor([2.0]), v.tensor([2.0])).exp()[0, 2]
        assert float(tie) == pytest.approx(0.5)


# --- metrics and probabilities ---------------------------------------------------------------------------------------


def test_metrics_of_pairs(v):
    means = bt()(Scores.of(v.s), v.pairs()).metrics.means()
    v.close([means["acc"]], "METRIC.acc (ties excluded)")
    v.close([means["nll"], means["brier"]], "METRIC.nll,brier")
    v.close(means["loss"], "BT.soft_mean")
    assert means["n_pairs"] == 3
    assert means["frac_tie"] == pytest.approx(1 / 3)
    assert means["margin/mean"] == pytest.approx(0.8)
    assert means["margin/std"] == pytest.approx(0.0, abs=1e-6)
    assert means["score/abs_max"] == 1.0
    assert means["n_eff"] == pytest.approx(3)


def test_metrics_ignore_skips(v):
    weight = v.tensor([1.0, 2.0, 0.0])
    means = bt()(Scores.of(v.s), v.pairs(weight=weight)).metrics.means()
    assert means["n_pairs"] == 2
    assert means["frac_skip"] == pytest.approx(1 / 3)
    assert means["n_eff"] == pytest.approx(9 / 5)
    assert means["nll"] == pytest.approx(v.expected["BT.weighted(w=1,2,0)"])


def test_nll_is_of_the_links_own_probability(v):
    means = bt(link={"noise_floor": 0.1})(Scores.of(v.s), v.pairs()).metrics.means()
    assert means["nll"] == pytest.approx(v.expected["BT.noise_floor eps=.1"])
    smoothed = bt(smoothing=0.1)(Scores.of(v.s), v.pairs()).metrics.means()
    assert smoothed["nll"] == pytest.approx(v.expected["BT.soft_mean"])  # of the answers as given
    assert "nll" not in bt(link="hinge")(Scores.of(v.s), v.pairs()).metrics
    assert "acc" in bt(link="hinge")(Scores.of(v.s), v.pairs()).metrics


def test_metrics_of_lists(v):
    means = bt()(Scores.of(v.list), v.graded()).metrics.means()
    v.close(means["ndcg@4"], "METRIC.ndcg")
    assert means["kendall"] == pytest.approx(-2 / 6)  # pairs (0,2), (1,3) are right, four are wrong
    assert means["top1"] == 0
    assert means["acc"] == pytest.approx(2 / 6)


def test_accuracy_per_group(v):
    labels = v.pairs(v.tensor([1.0, 1.0, 0.0]), group=torch.tensor([0, 1, 1]))
    means = bt()(Scores.of(v.s), labels).metrics.means()
    assert means["group/0/acc"] == 1.0
    assert means["group/1/acc"] == pytest.approx((0 + 0.5) / 2)
    assert means["group/1/n"] == 2


def test_probabilities_for_calibration(v):
    predicted, target, weight = bt(temperature=0.5).probabilities(Scores.of(v.s), v.pairs())
    torch.testing.assert_close(predicted, torch.sigmoid(2 * (v.s[:, 0] - v.s[:, 1])))
    assert target.tolist() == v.p.tolist()
    assert weight.tolist() == [1, 1, 1]
    assert bt(link="hinge").probabilities(Scores.of(v.s), v.pairs()) is None
    tied, _, _ = bt(link="davidson").probabilities(Scores.of(v.s), v.pairs())
    assert float(tied[2]) == pytest.approx(0.5)


# --- precision and emptiness -----------------------------------------------------------------------------------------


def test_half_precision_scores_are_widened(v):
    out = bt()(Scores.of(torch.tensor([[1000.0, 999.0]], dtype=torch.bfloat16)), v.first_wins(1))
    assert out.loss.dtype is torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert bt()(Scores.of(v.s.float()), v.pairs()).loss.dtype is torch.float32


def test_a_batch_of_skips_has_a_graph(v):
    s = v.s.clone().requires_grad_()
    out = bt()(Scores.of(s), v.pairs(weight=torch.zeros(3)))
    out.loss.backward()
    assert out.loss.item() == 0
    assert not s.grad.any()
    assert math.isnan(out.metrics.means()["acc"])
