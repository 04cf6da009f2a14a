from types import SimpleNamespace

import pytest
import torch

from prefrl.errors import ConfigError
from prefrl.losses import Kind, Labels, Scores, build_loss
from prefrl.losses.registered import losses

SPECS = {record["name"]: SimpleNamespace(**record) for record in losses()}


def built(*terms):
    return build_loss([(coef, name, SPECS[name].options(**options)) for coef, name, options in terms], SPECS)


def test_one_term_is_itself(v):
    loss = built((1.0, "bradley_terry", {}))
    assert loss.name == "bradley_terry"
    v.close(loss(Scores.of(v.s), v.pairs()).loss, "BT.soft_mean")


def test_a_sum_of_terms(v):
    out = built((1.0, "bradley_terry", {}), (0.01, "center", {}))(Scores.of(v.s), v.pairs())
    extra = v.expected["BT.center c=.01 add"]
    assert float(out.loss) == pytest.approx(v.expected["BT.soft_mean"] + extra)
    assert float(out.terms["center"]) == pytest.approx(100 * extra)
    means = out.metrics.means()
    assert means["loss/center"] == pytest.approx(100 * extra)
    assert means["loss"] == pytest.approx(float(out.loss))
    assert "acc" in means
    torch.testing.assert_close(out.per_example.mean(), out.loss)


def test_a_sum_can_say_probabilities(v):
    loss = built((0.5, "center", {}), (1.0, "bradley_terry", {}))
    predicted, _, _ = loss.probabilities(Scores.of(v.s), v.pairs())
    torch.testing.assert_close(predicted, torch.sigmoid(v.s[:, 0] - v.s[:, 1]))


def test_the_same_loss_twice_keeps_both_terms(v):
    out = built((1.0, "bradley_terry", {}), (1.0, "bradley_terry", {"temperature": 0.5}))(Scores.of(v.s), v.pairs())
    assert float(out.loss) == pytest.approx(v.expected["BT.soft_mean"] + v.expected["BT.temp=0.5"])
    assert len(out.terms) == 2


def test_an_unknown_name_lists_the_choices():
    with pytest.raises(ConfigError, match=r"no loss 'bradly_terry'.*Did you mean 'bradley_terry'"):
        build_loss([(1.0, "bradly_terry", None)], SPECS)


def test_no_term_says_what_to_write():
    with pytest.raises(ConfigError, match="at least one term"):
        build_loss([], SPECS)


def test_an_unsupported_kind_names_the_cure(v):
    loss = built((1.0, "bradley_terry", {}))
    with pytest.raises(ConfigError, match=r"cannot use answers of kind 'binary'.*takes choice, grade, pair, ranking"):
        loss(Scores.of(v.s), Labels(Kind.BINARY, binary=torch.ones(3, 2)))
    with pytest.raises(ConfigError, match="'similarity'"):
        loss.check(["similarity"], [])


def test_each_terms_share_of_the_gradient(v):
    mixed = built((1.0, "bradley_terry", {}), (3.0, "center", {}))
    shares = mixed.gradient_shares(Scores.of(v.s), v.pairs())
    s = v.s.clone().requires_grad_()
    norms = [
        coef * float(torch.autograd.grad(built((1.0, name, {}))(Scores.of(s), v.pairs()).loss, s)[0].norm())
        for coef, name in [(1.0, "bradley_terry"), (3.0, "center")]
    ]
    assert shares == pytest.approx({"bradley_terry": norms[0] / sum(norms), "center": norms[1] / sum(norms)})
