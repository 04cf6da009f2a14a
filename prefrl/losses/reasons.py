"""Terms that learn from why an answer was given: the factor that decided, the steps where it showed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from prefrl.losses.labels import Kind, Labels
from prefrl.losses.loss import LossOut, PrefLoss
from prefrl.losses.metrics import MetricBag
from prefrl.losses.options import DecidingFactorOptions, DecidingWindowOptions
from prefrl.losses.scores import Scores


class DecidingFactor(PrefLoss):
    """-log softmax of what each factor adds to the preferred clip's lead, at the factor that was named."""

    name = "deciding_factor"
    kinds = frozenset({Kind.PAIR})
    requires = frozenset({"contributions"})

    def __init__(self, options: DecidingFactorOptions) -> None:
        super().__init__()
        self.temperature = options.temperature

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        assert labels.pref is not None
        added = scores.aux["contributions"]
        named = torch.full_like(labels.pref, -1, dtype=torch.long) if labels.factor is None else labels.factor
        weight = _telling(labels, scores) * (named >= 0)
        lead = _direction(labels, added).unsqueeze(1) * (added[:, 0] - added[:, 1]) / self.temperature
        cost = cross_entropy(lead, named.clamp_min(0), reduction="none")

        def measure(bag: MetricBag) -> None:
            bag.mean("factor_acc", (lead.argmax(1) == named).to(lead), weight)

        return self.reduced(cost * weight, weight, measure)


class DecidingWindow(PrefLoss):
    """Bradley-Terry on the named steps alone: they must explain the answer by themselves."""

    name = "deciding_window"
    kinds = frozenset({Kind.PAIR})
    requires = frozenset({"times"})

    def __init__(self, options: DecidingWindowOptions) -> None:
        super().__init__()
        self.temperature = options.temperature

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        assert labels.pref is not None
        assert scores.step is not None
        step, times = scores.step, scores.aux["times"]
        nowhere = torch.full((len(labels), 2), -1, device=times.device)
        window = nowhere if labels.window is None else labels.window
        inside = (times >= window[:, :1].unsqueeze(2)) & (times < window[:, 1:].unsqueeze(2))
        sums = (step * inside).sum(2)
        weight = _telling(labels, scores) * (window[:, 0] >= 0)
        d = (sums[:, 0] - sums[:, 1]) / self.temperature
        p = labels.pref.to(d)

        def measure(bag: MetricBag) -> None:
            bag.mean("window_acc", ((d > 0) == (p > 0.5)).to(d), weight)

        return self.reduced((p * softplus(-d) + (1 - p) * softplus(d)) * weight, weight, measure)


def _telling(labels: Labels, scores: Scores) -> Tensor:
    """(B,) weight of each answer that prefers one of two clips."""
    assert labels.pref is not None
    return labels.weights(scores.s) * scores.mask[:, :2].all(1) * (labels.pref != 0.5)


def _direction(labels: Labels, like: Tensor) -> Tensor:
    """(B,) 1 where item 0 was preferred, -1 where item 1 was."""
    assert labels.pref is not None
    return torch.where(labels.pref > 0.5, 1.0, -1.0).to(like)


def deciding_factor(options: DecidingFactorOptions) -> DecidingFactor:
    """Builder of `deciding_factor`."""
    return DecidingFactor(options)


def deciding_window(options: DecidingWindowOptions) -> DecidingWindow:
    """Builder of `deciding_window`."""
    return DecidingWindow(options)
