import math

import pytest
import torch

from prefrl.losses import Kind, Labels
from prefrl.losses.metrics import MetricBag, binary_metrics, ece_gaps


def test_calibration_error(v):
    confidence, correct = v.tensor([0.9, 0.8, 0.6, 0.55, 0.95]), v.tensor([1.0, 1, 0, 1, 0])
    bag = MetricBag()
    bag.add("ece10", ece_gaps(confidence, correct, torch.ones(5).double()), 5.0)
    v.close(bag.means()["ece10"], "METRIC.ece10")


def test_means_of_unequal_batches_are_not_means_of_means():
    bag, other = MetricBag(), MetricBag()
    bag.mean("x", torch.tensor([1.0]), torch.tensor([1.0]))
    other.mean("x", torch.tensor([4.0, 4.0, 4.0]), torch.ones(3))
    bag.merge(other)
    assert bag.means()["x"] == pytest.approx(13 / 4)


def test_spreads_and_extremes_merge():
    bag, other = MetricBag(), MetricBag()
    values = torch.tensor([1.0, 2.0, 7.0, -9.0])
    for part, chunk in ((bag, values[:1]), (other, values[1:])):
        part.spread("x", chunk, torch.ones(len(chunk)))
        part.add("x/abs_max", chunk.abs().max(), 1.0)
    bag.merge(other)
    means = bag.means()
    assert means["x/mean"] == pytest.approx(float(values.mean()))
    assert means["x/std"] == pytest.approx(float(values.std(correction=0)))
    assert means["x/abs_max"] == 9.0


def test_nothing_weighed_is_not_a_number():
    bag = MetricBag()
    bag.mean("x", torch.zeros(0), torch.zeros(0))
    assert math.isnan(bag.means()["x"])


def test_auroc_counts_ties_as_half(v):
    bag = MetricBag()
    s = v.tensor([[0.1, 0.4, 0.35, 0.4, -1.0]])
    labels = Labels(Kind.BINARY, binary=v.tensor([[0.0, 1, 1, 0, 0]]))
    binary_metrics(bag, s, labels, torch.ones_like(s))
    # positives .4 and .35 against .1, .4, -1: 1 + .5 + 1 and 1 + 0 + 1
    assert bag.means()["auroc"] == pytest.approx(4.5 / 6)
    assert bag.means()["pos_rate"] == pytest.approx(0.4)
