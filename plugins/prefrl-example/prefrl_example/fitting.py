"""What a fit consists of: windows of clips, weights of answers, and the loss."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from prefrl.losses import Kind, Labels, LossOut, MetricBag, PrefLoss, Scores
from prefrl.specs import BuildContext, FilterContext, NoOptions
from prefrl_example.options import HingeOptions


class Hinge(PrefLoss):
    """p * max(0, m - d)^2 + (1 - p) * max(0, m + d)^2 with d the difference of scores and m the margin.

    It knows scores and labels, and neither environment nor model: whoever scores may use it.
    """

    kinds = frozenset({Kind.PAIR})

    def __init__(self, options: HingeOptions) -> None:
        super().__init__()
        self._margin = options.margin

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        """Of a batch; `labels.pref` (B,) says how probable it is that the first is better."""
        assert labels.pref is not None
        ahead = scores.s[:, 0] - scores.s[:, 1]
        pref, weight = labels.pref.to(ahead), labels.weights(ahead)
        first, second = (self._margin - ahead).relu().square(), (self._margin + ahead).relu().square()

        def measure(bag: MetricBag) -> None:
            bag.mean("acc", ((ahead > 0) == (pref > 0.5)).to(ahead), weight * (pref != 0.5))

        return self.reduced(weight * (pref * first + (1 - pref) * second), weight, measure)


class Halves:
    """An augmentation: a random half of each clip, drawn anew for each batch."""

    def __init__(self, options: NoOptions, context: BuildContext) -> None:
        """Nothing to set."""

    def windows(self, lengths: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """(start, length), both (B, K), of what remains of items of `lengths` (B, K)."""
        length = (lengths // 2).clamp(min=1)
        slack = lengths - length
        start = (torch.rand(lengths.shape, generator=generator) * (slack + 1)).long().minimum(slack)
        return start, length


class Sure:
    """A label filter: it is always given what people said, never what it made of it before."""

    def __init__(self, options: NoOptions, context: BuildContext) -> None:
        """Nothing to set."""

    def apply(self, labels: Labels, context: FilterContext) -> Labels:
        """The same answers, ties at half their weight."""
        if labels.pref is None:
            return labels
        weight = labels.weights(labels.pref)
        return replace(labels, weight=torch.where(labels.pref == 0.5, weight / 2, weight))

    def state_dict(self) -> Mapping[str, Any]:
        """Nothing lives on from fit to fit."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""
