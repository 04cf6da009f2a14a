"""Losses whose comparisons are not of scores alone: similarity triplets, costs with a border, preference models."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from prefrl.losses.label_transforms import smooth_flip
from prefrl.losses.labels import LISTS, Kind, Labels
from prefrl.losses.links import build_link
from prefrl.losses.loss import LossOut, PrefLoss, Probabilities
from prefrl.losses.metrics import MetricBag, first_wins, pair_metrics, probability_metrics, score_metrics
from prefrl.losses.options import CostSignOptions, PreferenceMatrixOptions, TripletOptions
from prefrl.losses.pairs import Pairs, to_pairs
from prefrl.losses.parts import SmoothFlip
from prefrl.losses.scores import Scores


class Triplet(PrefLoss):
    """A link on -|z_0 - z_1|^2 and -|z_0 - z_2|^2: hinge (Schroff et al. 2015) or logistic (QDHF, Ding et al. 2023)."""

    name = "triplet"
    kinds = frozenset({Kind.SIMILARITY})
    requires = frozenset({"embed"})

    def __init__(self, options: TripletOptions) -> None:
        super().__init__()
        self.link = build_link(options.link)

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        first, second, pairs = self._compared(scores, labels)
        cost = self.link(first, second, pairs.p, pairs.m, pairs.tie)

        def measure(bag: MetricBag) -> None:
            pair_metrics(bag, (first - second).detach(), pairs)
            if (log_probs := self.link.log_probs(first, second)) is not None:
                probability_metrics(bag, log_probs, pairs)

        return self.reduced(cost * pairs.w, pairs.w, measure)

    def probabilities(self, scores: Scores, labels: Labels) -> Probabilities | None:
        with torch.no_grad():
            first, second, pairs = self._compared(scores.exact(), labels)
            log_probs = self.link.log_probs(first, second)
            return None if log_probs is None else (first_wins(log_probs), pairs.p, pairs.w)

    def _compared(self, scores: Scores, labels: Labels) -> tuple[Tensor, Tensor, Pairs]:
        """Similarity to item 0 of items 1 and 2, (B,) each, and the answers as pairs of these two."""
        assert labels.pref is not None
        embed = scores.aux["embed"]
        near = -(embed[:, :1] - embed[:, 1:3]).square().sum(2)
        p, b = labels.pref.to(near), torch.arange(len(near), device=near.device)
        weight = labels.weights(near) * scores.mask[:, :3].all(1)
        ones, zero = torch.ones_like(b), torch.zeros_like(p)
        return near[:, 0], near[:, 1], Pairs(b, ones, ones + 1, p, weight, zero, (p == 0.5).to(p))


class CostSign(PrefLoss):
    """sp(c_i - c_j) for a preferred i plus sp(+-c) for every item known to be safe or unsafe (Safe RLHF, Dai et al. 2024).

    The cost is c = -s, so that a higher score is better here too; 1 in a binary answer is safe. Either kind of answer
    gives its part; pairs may carry both.
    """

    name = "cost_sign"
    kinds = frozenset({Kind.PAIR, Kind.BINARY})

    def __init__(self, options: CostSignOptions) -> None:
        super().__init__()

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        s, row = scores.s, torch.zeros_like(scores.s[:, 0])
        weight = labels.weights(s)
        if labels.kind is Kind.PAIR:
            weight = weight * scores.mask[:, :2].all(1)
            pairs = self._pairs(scores, labels)
            d = s[:, 0] - s[:, 1]
            row = pairs.p * softplus(-d) + (1 - pairs.p) * softplus(d)
        if labels.binary is not None:
            safe = labels.binary.to(s)
            items = scores.mask if labels.item_weight is None else scores.mask * labels.item_weight.to(s)
            row = row + ((safe * softplus(-s) + (1 - safe) * softplus(s)) * items).sum(1)

        def measure(bag: MetricBag) -> None:
            score_metrics(bag, s.detach(), scores.mask, weight)
            if labels.kind is Kind.PAIR:
                pair_metrics(bag, (s[:, 0] - s[:, 1]).detach(), self._pairs(scores, labels))

        return self.reduced(row * weight, weight, measure)

    def _pairs(self, scores: Scores, labels: Labels) -> Pairs:
        return to_pairs(labels, scores.mask).to(scores.s)

    def probabilities(self, scores: Scores, labels: Labels) -> Probabilities | None:
        if labels.kind is not Kind.PAIR:
            return None
        with torch.no_grad():
            pairs = self._pairs(scores.exact(), labels)
            s = scores.exact().s
            return torch.sigmoid(s[:, 0] - s[:, 1]), pairs.p, pairs.w


class PreferenceMatrix(PrefLoss):
    """Cross-entropy of logits (f(i, j) - f(j, i)) / 2 that need no score behind them (Munos et al. 2024, section 3)."""

    name = "preference_matrix"
    kinds = LISTS
    requires = frozenset({"pref_logit"})

    def __init__(self, options: PreferenceMatrixOptions) -> None:
        super().__init__()
        self.smooth = smooth_flip(SmoothFlip(epsilon=options.smoothing))

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        d, given = self._compared(scores, labels)
        pairs = self.smooth(given, labels)
        cost = (pairs.p * softplus(-d) + (1 - pairs.p) * softplus(d)) * pairs.w
        size = len(scores.s)

        def measure(bag: MetricBag) -> None:
            logit = d.detach()
            pair_metrics(bag, logit, given)
            probability_metrics(bag, torch.stack([logsigmoid(logit), logsigmoid(-logit)], 1), given)

        return self.reduced(cost.view(size, -1).sum(1), pairs.w.view(size, -1).sum(1), measure)

    def probabilities(self, scores: Scores, labels: Labels) -> Probabilities | None:
        with torch.no_grad():
            d, pairs = self._compared(scores.exact(), labels)
            return torch.sigmoid(d), pairs.p, pairs.w

    def _compared(self, scores: Scores, labels: Labels) -> tuple[Tensor, Pairs]:
        f = scores.aux["pref_logit"]
        pairs = to_pairs(labels, scores.mask).to(f)
        d = (f[pairs.b, pairs.i, pairs.j] - f[pairs.b, pairs.j, pairs.i]) / 2
        return d, pairs


def triplet(options: TripletOptions) -> Triplet:
    """Builder of `triplet`."""
    return Triplet(options)


def cost_sign(options: CostSignOptions) -> CostSign:
    """Builder of `cost_sign`."""
    return CostSign(options)


def preference_matrix(options: PreferenceMatrixOptions) -> PreferenceMatrix:
    """Builder of `preference_matrix`."""
    return PreferenceMatrix(options)
