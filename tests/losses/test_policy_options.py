"""The recipes over log-probabilities: their vectors, and what turns one into another."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from prefrl.errors import ConfigError
from prefrl.losses import Kind, Labels, Scores
from prefrl.losses import policy_options as p
from prefrl.losses.options import BradleyTerryOptions, LipoOptions
from prefrl.losses.pairwise import build


def value(options, scores, labels):
    return build(options)(scores, labels).loss


@pytest.mark.parametrize(
    ("options", "vector"),
    [
        (p.DpoOptions(), "DPO beta=.1"),
        (p.CdpoOptions(), "cDPO eps=.1"),
        (p.DpoOptions(smoothing=0.1), "cDPO eps=.1"),
        (p.RdpoOptions(), "rDPO eps=.1"),
        (p.IpoOptions(norm="sum"), "IPO tau=.1 (sum)"),
        (p.IpoOptions(), "IPO tau=.1 (per-token,TRL)"),
        (p.DpoOptions(norm="mean"), "DPO.lennorm sigmoid_norm"),
        (p.SlicOptions(), "SLiC-HF delta=1 lam=.1"),
        (p.DpoOptions(link="hinge"), "SLiC_norm beta=.1"),
        (p.SimpoOptions(), "SimPO beta=2 g/b=.25"),
        (p.OrpoOptions(), "ORPO lam=.1 (nll per-seq avg)"),
        (p.BcoOptions(), "BCO/scalar-pair(h)"),
        (p.FdpoOptions(divergence="reverse_kl"), "fDPO.rkl beta=.1"),
        (p.FdpoOptions(divergence="forward_kl"), "fDPO.fkl beta=.1"),
        (p.FdpoOptions(), "fDPO.js beta=.1"),
        (p.FdpoOptions(divergence="alpha"), "fDPO.alpha beta=.1"),
    ],
    ids=lambda x: x if isinstance(x, str) else type(x).__name__,
)
def test_vectors_of_two_prompts(v, options, vector):
    v.close(value(options, v.responses(), v.first_wins()), vector)


def test_soft_targets_of_ipo(v):
    v.close(value(p.IpoOptions(norm="sum"), v.responses(), v.pairs(v.tensor([0.8, 0.6]))), "IPO.soft p=.8,.6 (sum)")


def test_the_odds_ratio_term_alone(v):
    out = build(p.OrpoOptions())(v.responses(), v.first_wins())
    v.close(out.terms["pairs"], "ORPO.OR_term_only")
    moved = build(p.OrpoOptions()).transform(v.responses(), v.first_wins()).s
    v.close(moved[:, 0] - moved[:, 1], "ORPO.log_odds")


@pytest.mark.parametrize(
    ("options", "vector"), [(p.IpoOptions(norm="sum"), "GRAD.IPO dL/dh"), (p.DpoOptions(), "GRAD.DPO dL/dh")]
)
def test_gradients(v, options, vector):
    s = v.logp.clone().requires_grad_()
    build(options)(Scores.of(s, ref_logp=v.ref, length=v.length), v.first_wins()).loss.backward()
    v.close(s.grad[:, 0], vector)
    torch.testing.assert_close(s.grad[:, 1], -s.grad[:, 0])


def test_one_of_several_objectives(v):
    others = v.tensor([[0.2, 0.6], [1.0, 0.0]]).unsqueeze(2)
    v.close(value(p.ModpoOptions(), v.responses(others=others), v.first_wins()), "MODPO w=.5,.5")
    moved = build(p.ModpoOptions()).transform(v.responses(others=others), v.first_wins()).s
    v.close(moved[:, 0] - moved[:, 1], "MODPO.d")
    v.close(value(p.ModpoOptions(weights=(1.0, 0.0)), v.responses(), v.first_wins()), "MODPO w=1,0 == DPO")


def test_autocast_does_not_reach_the_core(v):
    others = torch.tensor([[[0.2], [0.601]], [[1.003], [0.0]]])
    scores, labels = Scores.of(v.logp.float(), ref_logp=v.ref.float(), others=others), v.first_wins()
    plain = value(p.ModpoOptions(), scores, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert value(p.ModpoOptions(), scores, labels).item() == plain.item()


def test_optimism(v):
    scores = v.responses(resp_logratio=v.tensor([0.3, -0.7]))
    v.close(value(p.SelmOptions(), scores, v.first_wins()), "SELM alpha=.001 (code: +a*b*u_resp)")
    v.close(value(p.SelmOptions(alpha=1.0), scores, v.first_wins()), "SELM alpha=1 (visible)")


def test_self_play_step(v):
    previous = torch.stack([v.tensor([1.0, -1.0]), torch.zeros(2)], 1)
    options = p.InpoOptions(eta=0.1)
    moved = build(options).transform(v.responses(prev_logp=previous), v.first_wins()).s
    v.close(moved[:, 0] - moved[:, 1], "INPO.h")
    v.close(value(options, v.responses(prev_logp=previous), v.first_wins()), "INPO eta=.1 tau=eta/3")


def test_a_rationale(v):
    scores = v.responses(rationale_nll=v.tensor([0.5, 0.5]))
    v.close(value(p.RationaleDpoOptions(), scores, v.first_wins()), "RAT.spec: DPO + g*nll/len g=.1 nll=8 len=16")


STEPS = [[-1.0, -2.0, -1.5], [-2.0, -2.5, -3.0]]


@pytest.mark.parametrize(
    ("bias", "pref", "gamma", "vector"),
    [
        (1.0, 1.0, 1.0, "CPL lam=1 (1>2)"),
        (0.5, 1.0, 1.0, "CPL lam=.5 (1>2)"),
        (0.5, 0.25, 1.0, "CPL lam=.5 p=.25"),
        (1.0, 1.0, 0.9, "CPL gamma=.9 lam=1"),
    ],
)
def test_cpl_vectors(v, bias, pref, gamma, vector):
    s = (v.tensor(STEPS) * gamma ** torch.arange(3)).sum(1).unsqueeze(0)
    v.close(value(p.CplOptions(bias=bias), Scores.of(s), v.pairs(v.tensor([pref]))), vector)


def test_cpl_gradient_and_stability(v):
    a = v.tensor([v.expected["CPL.A"]]).requires_grad_()
    options = p.CplOptions(alpha=1.0)
    value(options, Scores.of(a), v.first_wins(1)).backward()
    v.close(a.grad[0], "GRAD.CPL lam=.5 dA1,dA2")
    v.close(value(options, Scores.of(v.tensor([[-1e4, -2e4]])), v.first_wins(1)), "STAB.CPL A=(-1e4,-2e4) lam=.5")


def test_regret_scores_are_negative_regrets(v):
    predicted, _, _ = build(BradleyTerryOptions()).probabilities(Scores.of(-v.tensor([[0.5, 1.2]])), v.first_wins(1))
    v.close(predicted[0], "REGRET.P(1>2) reg=.5,1.2")


# --- one becomes another ---------------------------------------------------------------------------------------------

values = st.lists(st.floats(-20, 0), min_size=4, max_size=4)


@st.composite
def policies(draw):
    def table():
        return torch.tensor(draw(values), dtype=torch.float64).view(2, 2)

    aux = {
        "ref_logp": table(),
        "prev_logp": table(),
        "resp_logratio": table()[:, 0],
        "length": torch.tensor([[3.0, 5], [1, 2]]),
    }
    return Scores.of(table(), **aux), Labels(Kind.PAIR, pref=torch.tensor([1.0, 0.3], dtype=torch.float64))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (p.CplKlOptions(alpha=0.1, bias=1.0), p.DpoOptions(beta=0.1)),
        (p.FdpoOptions(divergence="reverse_kl"), p.DpoOptions()),
        (p.InpoOptions(eta=0.1, tau=0.1), p.IpoOptions(tau=0.1, norm="sum")),
        (p.ModpoOptions(weights=(1.0, 0.0)), p.DpoOptions()),
        (p.SelmOptions(alpha=0.0), p.DpoOptions()),
        (p.CplOptions(alpha=0.5, bias=1.0), BradleyTerryOptions(temperature=2.0)),
        (p.RdpoOptions(link={"robust": 0.0}), p.DpoOptions(ties="drop")),
    ],
    ids=[
        "CPL-KL is DPO",
        "reverse KL is DPO",
        "INPO is IPO",
        "MODPO is DPO",
        "SELM is DPO",
        "CPL is BT",
        "robust at 0 is DPO",
    ],
)
@settings(max_examples=15, deadline=None)
@given(batch=policies())
def test_identity(one, other, batch):
    torch.testing.assert_close(value(one, *batch), value(other, *batch))


def test_cpl_has_an_optimum_below_bias_one_and_none_at_it():
    """Bandit with actions +1 (preferred) and -1, score -(mu - a)^2: the optimum is (1 + bias) / (1 - bias)."""

    def after(steps, bias, start, rate=0.05):
        mu = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        loss = build(p.CplOptions(alpha=1.0, bias=bias))
        labels = Labels(Kind.PAIR, pref=torch.ones(1, dtype=torch.float64))
        for _ in range(steps):
            s = torch.stack([-((mu - 1) ** 2), -((mu + 1) ** 2)]).unsqueeze(0)
            (slope,) = torch.autograd.grad(loss(Scores.of(s), labels).loss, mu)
            with torch.no_grad():
                mu -= rate * slope
        return mu.item(), slope.item()

    _, slope = after(1, 0.5, 3.0)
    assert abs(slope) < 1e-12
    assert after(1, 0.5, 2.9)[1] < 0 < after(1, 0.5, 3.1)[1]
    assert after(800, 0.5, 0.0, rate=0.5)[0] == pytest.approx(3.0, abs=0.06)
    assert all(after(1, 1.0, start)[1] < 0 for start in (3.0, 5.0, 8.0))


# --- lists -----------------------------------------------------------------------------------------------------------


def test_lipo_vectors(v):
    s = v.list.clone().requires_grad_()
    mean = value(LipoOptions(), Scores.of(s), v.graded())
    v.close(mean, "LiPO.lambda_mean_pairs")
    v.close(6 * mean, "LiPO.lambda_sum")
    (6 * mean).backward()
    v.close(s.grad[0], "GRAD.LiPO dL/ds (ranks detached)")
    normalised = value(LipoOptions(pair_weight={"lambda_ndcg": True}), Scores.of(v.list), v.graded())
    v.close(6 * normalised, "LiPO.ndcg_normalised")


def test_hinge_over_a_list(v):
    v.close(value(BradleyTerryOptions(link="hinge"), Scores.of(v.list), v.graded()), "SLIC.list hinge mean")


# --- mistakes and reports --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "options", "match"),
    [
        (p.InpoOptions, {"eta": 0.1, "tau": 0.2}, "must not exceed eta"),
        (p.ModpoOptions, {"weights": (0.5, 0.6)}, "sum to 1"),
        (p.FdpoOptions, {"alpha": 0.3}, "alpha has no effect on the divergence 'jensen_shannon'"),
        (p.RdpoOptions, {"smoothing": 0.1}, "both correct for wrong answers"),
        (p.RdpoOptions, {"ties": "half"}, "use ties: drop"),
        (p.DpoOptions, {"gamma": 1.0}, "Extra inputs"),
    ],
)
def test_mistakes_say_what_to_do(model, options, match):
    with pytest.raises(ValidationError, match=match):
        model(**options)


def test_a_missing_reference_names_the_cure(v):
    with pytest.raises(ConfigError, match=r"needs ref_logp beside the scores, and this scorer gives nothing"):
        value(p.DpoOptions(), Scores.of(v.logp), v.first_wins())
    with pytest.raises(ConfigError, match=r"needs length .* gives nll, ref_logp"):
        value(p.IpoOptions(), Scores.of(v.logp, ref_logp=v.ref, nll=-v.logp), v.first_wins())


def test_the_wrong_number_of_objectives_says_so(v):
    with pytest.raises(ConfigError, match="1 weights after the first, and the scorer gives 2 other"):
        value(p.ModpoOptions(), v.responses(others=torch.zeros(2, 2, 2).double()), v.first_wins())


def test_policy_metrics(v):
    means = build(p.DpoOptions())(v.responses(), v.first_wins()).metrics.means()
    assert means["logp/chosen"] == pytest.approx(-16.0)
    assert means["logp/rejected"] == pytest.approx(-16.5)
    assert means["kl_ref"] == pytest.approx((0.0 + 0.25) / 2)
    assert means["len_margin_corr"] == pytest.approx(1.0)  # two points: -2 with .2, -8 with -.25


def test_at_the_reference_dpo_is_log_two(v):
    assert value(p.DpoOptions(), Scores.of(v.ref, ref_logp=v.ref), v.first_wins()).item() == pytest.approx(math.log(2))
