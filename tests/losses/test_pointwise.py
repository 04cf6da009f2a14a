import pytest
import torch
from pydantic import ValidationError

from prefrl.errors import DataError
from prefrl.losses import Kind, Labels, Scores, pointwise
from prefrl.losses.options import BinaryOptions, KtoOptions, OrdinalOptions, RegressionOptions


@pytest.mark.parametrize(
    ("options", "vector"),
    [({}, "BIN.bce"), ({"pos_weight": 3.0}, "BIN.bce pos_weight=3"), ({"balance": True}, "BIN.bce class-balanced")],
)
@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
def test_binary_vectors(v, options, vector, shape):
    s, y = v.tensor([0.4, -1.0, 2.0]).view(shape), v.tensor([1.0, 0.0, 0.0]).view(shape)
    v.close(pointwise.bce(BinaryOptions(**options))(Scores.of(s), Labels(Kind.BINARY, binary=y)).loss, vector)


def test_binary_metrics_and_probabilities(v):
    s, y = v.tensor([[0.4, -1.0, 2.0]]), v.tensor([[1.0, 0.0, 0.0]])
    loss, labels = pointwise.bce(BinaryOptions()), Labels(Kind.BINARY, binary=y)
    means = loss(Scores.of(s), labels).metrics.means()
    assert means["auroc"] == pytest.approx(0.5)
    assert means["pos_rate"] == pytest.approx(1 / 3)
    assert means["acc"] == pytest.approx(2 / 3)
    predicted, target, weight = loss.probabilities(Scores.of(s), labels)
    torch.testing.assert_close(predicted, torch.sigmoid(s).flatten())
    assert (target.tolist(), weight.tolist()) == ([1, 0, 0], [1, 1, 1])


def test_balance_and_pos_weight_exclude_each_other():
    with pytest.raises(ValidationError, match="leave out pos_weight"):
        BinaryOptions(balance=True, pos_weight=2.0)


def test_balance_with_one_class_is_plain(v):
    s, y = v.tensor([[0.4, -1.0]]), v.tensor([[1.0, 1.0]])
    labels = Labels(Kind.BINARY, binary=y)
    plain, balanced = (pointwise.bce(BinaryOptions(balance=b))(Scores.of(s), labels).loss for b in (False, True))
    torch.testing.assert_close(balanced, plain)


@pytest.mark.parametrize(("desirable", "vector"), [(1.0, "KTO mean lamD=lamU=1"), (1.33, "KTO lamD=1.33 mean")])
def test_kto_vectors(v, desirable, vector):
    u = v.tensor([[1.0], [-1.0], [-1.0], [1.5]])
    scores = Scores.of(u, ref_logp=torch.zeros_like(u), kl_logratio=v.tensor([0.5, -0.2, 0.3, 0.2]))
    labels = Labels(Kind.BINARY, binary=v.tensor([[1.0], [1.0], [0.0], [0.0]]))
    out = pointwise.kto(KtoOptions(desirable=desirable))(scores, labels)
    v.close(out.loss, vector)
    if desirable == 1.0:
        v.close(out.per_example, "KTO.perit")


def test_kto_reference_point_is_never_negative_and_has_no_gradient(v):
    u = v.tensor([[0.3]])
    labels = Labels(Kind.BINARY, binary=v.tensor([[1.0]]))
    loss = pointwise.kto(KtoOptions())

    def at(*kl):
        sample = v.tensor(kl).requires_grad_()
        out = loss(Scores.of(u.clone().requires_grad_(), ref_logp=0 * u, kl_logratio=sample), labels).loss
        assert torch.autograd.grad(out, sample, allow_unused=True) == (None,)
        return out

    torch.testing.assert_close(at(-3.0, -1.0), at(0.0))
    assert at(2.0) > at(0.0)


def test_regression_is_huber(v):
    labels = Labels(Kind.GRADE, grade=v.tensor([[1.0, 5.0]]), item_weight=v.tensor([[1.0, 1.0]]))
    loss = pointwise.regression(RegressionOptions(delta=2.0))(Scores.of(v.tensor([[0.0, 0.0]])), labels).loss
    assert loss.item() == pytest.approx((0.5 + 2.0 * (5.0 - 1.0)) / 2)


def test_ordinal_probabilities_sum_to_one(v):
    loss = pointwise.ordinal(OrdinalOptions(levels=4, lowest=1))
    for s in (-30.0, -0.3, 0.0, 2.0, 30.0):
        each = [
            loss(Scores.of(v.tensor([[s]])), Labels(Kind.GRADE, grade=v.tensor([[float(level)]]))).loss
            for level in range(1, 5)
        ]
        assert torch.stack(each).neg().exp().sum().item() == pytest.approx(1.0)


def test_ordinal_learns_its_borders(v):
    loss = pointwise.ordinal(OrdinalOptions(levels=4))
    assert loss.thresholds().tolist() == pytest.approx([-1.0, 0.0, 1.0])
    loss(Scores.of(v.tensor([[0.2, -2.0]])), Labels(Kind.GRADE, grade=v.tensor([[3.0, 1.0]]))).loss.backward()
    assert loss.first.grad != 0
    assert loss.gaps.grad.abs().min() > 0


def test_two_levels_are_binary(v):
    s = v.tensor([[0.4, -1.0, 2.0]])
    loss = pointwise.ordinal(OrdinalOptions(levels=2))
    found = loss(Scores.of(s), Labels(Kind.GRADE, grade=v.tensor([[1.0, 0.0, 0.0]]))).loss
    v.close(found, "BIN.bce")


@pytest.mark.parametrize("grade", [5.0, -1.0, 2.5])
def test_grades_outside_the_levels_are_refused(v, grade):
    with pytest.raises(DataError, match="whole grades from 0 to 4"):
        pointwise.ordinal(OrdinalOptions())(Scores.of(v.tensor([[0.0]])), Labels(Kind.GRADE, grade=v.tensor([[grade]])))
