import pytest
import torch

from prefrl.errors import ConfigError
from prefrl.losses import Scores
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build
from prefrl.losses.transforms import Chain, log1mexp


def moved(v, scores, *transform, **fields):
    chain = Chain(BradleyTerryOptions(transform=transform).transform)
    return chain(scores, v.pairs(torch.ones(len(scores.s)).double(), **fields)).s


def test_log1mexp_near_zero_and_far_below(v):
    v.close(log1mexp(v.tensor([-1e-7, -50.0])), "STAB.log1mexp(-1e-7,-50)")
    a = v.tensor([-1e-6, -0.3, -0.8, -20.0, -1e4]).requires_grad_()
    (slope,) = torch.autograd.grad(log1mexp(a).sum(), a)
    torch.testing.assert_close(slope, -1 / torch.expm1(-a.detach()))


def test_log_ratio_and_implicit_rewards(v):
    v.close(moved(v, v.responses(), {"log_ratio": 1.0}), "LLM.logratio u")
    v.close(moved(v, v.responses(), {"log_ratio": 0.1}), "DPO.implicit_rewards")


def test_transforms_apply_in_order(v):
    scores = Scores.of(v.tensor([[100.0, -2.0]]))
    assert moved(v, scores, {"clip": 10.0}, {"scale": 0.5}).tolist() == [[5.0, -1.0]]
    assert moved(v, scores, {"scale": 0.5}, {"clip": 10.0}).tolist() == [[10.0, -1.0]]


def test_what_is_cut_is_counted(v):
    loss = build(BradleyTerryOptions(transform=[{"clip": 0.5}]))
    assert loss(Scores.of(v.s), v.pairs()).metrics.means()["clamped_frac"] == pytest.approx(3 / 6)
    steep = build(BradleyTerryOptions(link="exponential"))
    assert steep(Scores.of(100 * v.s), v.pairs()).metrics.means()["clamped_frac"] == 0
    assert steep(Scores.of(101 * v.s), v.pairs()).metrics.means()["clamped_frac"] == pytest.approx(2 / 3)


def test_users_are_brought_to_one_scale(v):
    s = v.tensor([[1.0, 3.0], [2.0, 2.0], [10.0, 50.0]])
    found = moved(v, Scores.of(s), "standardise_by_group", group=torch.tensor([0, 0, 1]))
    assert found[2].tolist() == pytest.approx([-1.0, 1.0])
    assert float(found[:2].mean()) == pytest.approx(0.0)
    assert float(found[:2].std(correction=0)) == pytest.approx(1.0)
    with pytest.raises(ConfigError, match="labels have no group"):
        moved(v, Scores.of(s), "standardise_by_group")


def test_a_learned_temperature_moves(v):
    loss = build(BradleyTerryOptions(transform=[{"temperature": {"tau": 0.5, "learn": True}}]))
    out = loss(Scores.of(v.s), v.pairs()).loss
    v.close(out, "BT.temp=0.5")
    out.backward()
    (log_tau,) = [q for q in loss.parameters() if q.requires_grad]
    assert log_tau.grad != 0
