"""Plackett-Luce: the probability of a whole ranking as a series of choices, best first."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from prefrl.losses.labels import LISTS, Kind, Labels
from prefrl.losses.loss import LossOut, PrefLoss, Probabilities
from prefrl.losses.metrics import (
    MetricBag,
    first_wins,
    group_metrics,
    list_metrics,
    pair_metrics,
    probability_metrics,
    score_metrics,
)
from prefrl.losses.options import PlackettLuceOptions
from prefrl.losses.pairs import Pairs, to_pairs
from prefrl.losses.scores import Scores
from prefrl.losses.transforms import Chain


class PlackettLuce(PrefLoss):
    """sum_k [logsumexp(s of what is left) - s of the k-th best] (Plackett 1975; ListMLE, Xia et al. 2008).

    A tied item is chosen from everything not better than itself, its own tier included (Breslow). A choice is the
    first place alone. A pair is a ranking of two, mixed by its target, which makes it Bradley-Terry; margins are not
    defined here and are not read. Items that were not ranked take no part.
    """

    name = "plackett_luce"
    kinds = LISTS

    def __init__(self, options: PlackettLuceOptions) -> None:
        super().__init__()
        self.top_k, self.mean_stages = options.top_k, options.stages == "mean"
        self.transform = Chain(options.transforms)
        self.requires = frozenset().union(*(part.options.requires() for part in options.transforms))

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        moved: Scores = self.transform(scores, labels)
        weight = labels.weights(moved.s)
        if labels.kind is Kind.PAIR:
            row, usable = self._pair(moved, labels)
        else:
            row, usable = self._ranking(moved, labels)
        weight = weight * usable

        def measure(bag: MetricBag) -> None:
            self._measure(bag, moved.detach(), labels)

        return self.reduced(row * weight, weight, measure)

    def _pair(self, scores: Scores, labels: Labels) -> tuple[Tensor, Tensor]:
        assert labels.pref is not None
        p, d = labels.pref.to(scores.s), scores.s[:, 0] - scores.s[:, 1]
        return p * softplus(-d) + (1 - p) * softplus(d), scores.mask[:, :2].all(1)

    def _ranking(self, scores: Scores, labels: Labels) -> tuple[Tensor, Tensor]:
        """(B,) negative log-likelihood of each ranking, and whether it orders anything."""
        s = scores.s
        if labels.kind is Kind.GRADE:
            assert labels.grade is not None
            place, known = -labels.grade, scores.mask
        else:
            assert labels.rank is not None
            place, known = labels.rank, scores.mask & (labels.rank >= 0)
        both = known.unsqueeze(2) & known.unsqueeze(1)
        left = both & (place.unsqueeze(1) >= place.unsqueeze(2))  # (B, K, K): what is left when i is chosen
        better = (both & (place.unsqueeze(1) < place.unsqueeze(2))).sum(2)
        top_k = 1 if labels.kind is Kind.CHOICE else self.top_k
        stage = known & (left.sum(2) > 1)
        if top_k is not None:
            stage = stage & (better < top_k)
        left = left | torch.eye(s.shape[1], dtype=torch.bool, device=s.device)  # no empty set, hence no NaN gradient
        rest = s.unsqueeze(1).expand_as(left).masked_fill(~left, -torch.inf).logsumexp(2)
        row = torch.where(stage, rest - s, 0.0).sum(1)
        stages = stage.sum(1)
        return row / stages.clamp_min(1) if self.mean_stages else row, stages > 0

    def probabilities(self, scores: Scores, labels: Labels) -> Probabilities | None:
        with torch.no_grad():
            moved: Scores = self.transform(scores.exact(), labels)
            pairs, _, log_probs = self._pairs(moved, labels)
            return first_wins(log_probs), pairs.p, pairs.w

    def _pairs(self, moved: Scores, labels: Labels) -> tuple[Pairs, Tensor, Tensor]:
        """Pairs of the lists, their differences, and the model's log-probabilities: P(i before j) = sigmoid(d)."""
        pairs = to_pairs(labels, moved.mask).to(moved.s)
        d = moved.s[pairs.b, pairs.i] - moved.s[pairs.b, pairs.j]
        return pairs, d, torch.stack([logsigmoid(d), logsigmoid(-d)], 1)

    def _measure(self, bag: MetricBag, moved: Scores, labels: Labels) -> None:
        pairs, d, log_probs = self._pairs(moved, labels)
        score_metrics(bag, moved.s, moved.mask, labels.weights(moved.s))
        pair_metrics(bag, d, pairs)
        probability_metrics(bag, log_probs, pairs)
        if labels.kind is not Kind.PAIR:
            list_metrics(bag, moved.s, moved.mask, labels, pairs)
        if labels.group is not None:
            group_metrics(bag, d, pairs, labels.group)


def build(options: PlackettLuceOptions) -> PlackettLuce:
    """Plackett-Luce under `options`."""
    return PlackettLuce(options)
