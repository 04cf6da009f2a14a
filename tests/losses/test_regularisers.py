import pytest
import torch

from prefrl.errors import ConfigError
from prefrl.losses import Kind, Labels, Scores, parts
from prefrl.losses.regularisers import build


def value(options, scores, labels):
    return build(options)(scores, labels).loss


def test_center(v):
    v.close(0.01 * value(parts.Center(), Scores.of(v.s), v.pairs()), "BT.center c=.01 add")
    mask = torch.tensor([[True, True, False]])
    padded = Scores(v.tensor([[1.0, 0.2, 7.0]]), mask)
    torch.testing.assert_close(
        build(parts.Center())(padded, v.first_wins(1)).loss, value(parts.Center(), Scores.of(v.s[:1]), v.first_wins(1))
    )


def test_likelihood_of_the_preferred(v):
    labels = v.pairs(v.tensor([1.0, 0.25]))
    summed = value(parts.Nll(norm="sum"), v.responses(), labels)
    assert summed.item() == pytest.approx((12.0 + 0.25 * 20 + 0.75 * 18) / 2)
    per_step = value(parts.Nll(), v.responses(), v.first_wins())
    assert per_step.item() == pytest.approx((12 / 10 + 20 / 8) / 2)


def test_the_best_of_a_list_share(v):
    scores = Scores.of(v.list, nll=v.tensor([[1.0, 2.0, 4.0, 8.0]]))
    assert value(parts.Nll(norm="sum"), scores, v.ranked((1, 0, 0, 2))).item() == pytest.approx(3.0)
    assert value(parts.Nll(norm="sum"), scores, v.graded()).item() == pytest.approx(1.0)


def test_imitation_of_all_or_of_the_preferred(v):
    scores = v.responses()
    every = value(parts.BehaviourCloning(), scores, v.first_wins())
    assert every.item() == pytest.approx((12 / 10 + 15 / 12 + 20 / 8 + 18 / 16) / 4)
    best = value(parts.BehaviourCloning(items="preferred"), scores, v.first_wins())
    assert best.item() == pytest.approx((12 / 10 + 20 / 8) / 2)


def test_kl_to_the_reference_is_zero_only_there(v):
    at = value(parts.KlReference(), Scores.of(v.ref, ref_logp=v.ref), v.first_wins())
    assert at.item() == 0
    assert value(parts.KlReference(), v.responses(), v.first_wins()).item() > 0


def test_contrastive_vector(v):
    one, other = (
        v.tensor([[[1.0, 0.0]], [[0.6, 0.8]], [[0.0, 1.0]]]),
        v.tensor([[[0.8, 0.6]], [[0.6, 0.8]], [[0.0, 1.0]]]),
    )
    scores = Scores.of(torch.zeros(3, 1).double(), embed=one, embed_view=other)
    labels = Labels(Kind.BINARY, binary=torch.ones(3, 1).double())
    v.close(value(parts.Contrastive(temperature=0.5), scores, labels), "SEC2.SimCSE InfoNCE t=.5")


def test_latent_kl_vector(v):
    scores = Scores.of(v.s, latent_mu=v.tensor([[0.5, -0.2]]), latent_logvar=v.tensor([[-0.1, 0.3]]))
    v.close(value(parts.LatentKl(), scores, v.pairs()), "VPL.KL(N(mu,var)|N(0,1))")


def steps(v):
    step = v.tensor([[[1.0, 3.0, 99.0], [2.0, 2.0, 2.0]]])
    real = torch.tensor([[[True, True, False], [True, True, True]]])
    return Scores(step.sum(2), torch.ones(1, 2, dtype=torch.bool), step, real)


def test_steps_that_do_not_exist_are_left_out(v):
    assert value(parts.StepSquare(), steps(v), v.first_wins(1)).item() == pytest.approx((1 + 9 + 3 * 4) / 5)
    assert value(parts.StepSmoothness(), steps(v), v.first_wins(1)).item() == pytest.approx(4 / 3)


def test_a_scorer_without_steps_is_told(v):
    with pytest.raises(ConfigError, match="'reward_l2' needs what each step added"):
        value(parts.StepSquare(), Scores.of(v.s), v.pairs())


def test_optimism_and_rationale_are_weighted_like_queries(v):
    labels = v.pairs(torch.ones(2).double(), weight=v.tensor([3.0, 1.0]))
    scores = v.responses(resp_logratio=v.tensor([0.3, -0.7]), rationale_nll=v.tensor([1.0, 5.0]))
    assert value(parts.Optimism(), scores, labels).item() == pytest.approx((0.9 - 0.7) / 4)
    assert value(parts.Rationale(), scores, labels).item() == pytest.approx(2.0)
