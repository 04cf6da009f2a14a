"""Losses of items on their own: thumbs and flags (cross-entropy, KTO), grades (regression, ordinal)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss, logsigmoid, softplus

from prefrl.errors import DataError
from prefrl.losses.labels import Kind, Labels
from prefrl.losses.loss import LossOut, PrefLoss, Probabilities
from prefrl.losses.metrics import MetricBag, binary_metrics, list_metrics, pair_metrics, score_metrics
from prefrl.losses.options import BinaryOptions, KtoOptions, OrdinalOptions, RegressionOptions
from prefrl.losses.pairs import to_pairs
from prefrl.losses.parts import LogRatio as LogRatioOptions
from prefrl.losses.scores import Scores
from prefrl.losses.transforms import Chain, LogRatio, log1mexp


class Pointwise(PrefLoss):
    """A cost per item (B, K), averaged with the weights of queries and items."""

    def moved(self, scores: Scores, labels: Labels) -> Scores:
        """The scores that are compared with the answers."""
        return scores

    def cost(self, scores: Scores, labels: Labels) -> Tensor:
        """(B, K) cost of each item at moved scores."""
        raise NotImplementedError

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        moved = self.moved(scores, labels)
        weight = self.item_weights(moved, labels)
        cost = self.cost(moved, labels)

        def measure(bag: MetricBag) -> None:
            s = moved.s.detach()
            score_metrics(bag, s, scores.mask, labels.weights(s))
            if labels.kind is Kind.BINARY:
                binary_metrics(bag, s, labels, weight)
            else:
                pairs = to_pairs(labels, scores.mask).to(s)
                pair_metrics(bag, s[pairs.b, pairs.i] - s[pairs.b, pairs.j], pairs)
                list_metrics(bag, s, scores.mask, labels, pairs)

        return self.reduced((cost * weight).sum(1), weight.sum(1), measure)

    def item_weights(self, scores: Scores, labels: Labels) -> Tensor:
        """(B, K) weight of each item; 0 where there is none."""
        weight = labels.weights(scores.s).unsqueeze(1) * scores.mask
        return weight if labels.item_weight is None else weight * labels.item_weight.to(scores.s)


class BinaryCrossEntropy(Pointwise):
    """y sp(-s) + (1-y) sp(s): P[good] = sigmoid(s)."""

    name = "bce"
    kinds = frozenset({Kind.BINARY})

    def __init__(self, options: BinaryOptions) -> None:
        super().__init__()
        self.pos_weight, self.balance = options.pos_weight, options.balance
        self.transform = Chain(options.transform)
        self.requires = frozenset().union(*(part.options.requires() for part in options.transform))

    def moved(self, scores: Scores, labels: Labels) -> Scores:
        moved: Scores = self.transform(scores, labels)
        return moved

    def cost(self, scores: Scores, labels: Labels) -> Tensor:
        y, s = _binary(labels, scores.s), scores.s
        good, bad = y * softplus(-s) * self.pos_weight, (1 - y) * softplus(s)
        if self.balance:
            weight = self.item_weights(scores, labels)
            total, positive = weight.sum(), (weight * y).sum()
            negative = total - positive
            # half the whole weight to each class; a class that is absent leaves the other as it is
            if_both = (positive > 0) & (negative > 0)
            good = good * torch.where(if_both, total / (2 * positive), 1.0)
            bad = bad * torch.where(if_both, total / (2 * negative), 1.0)
        return good + bad

    def probabilities(self, scores: Scores, labels: Labels) -> Probabilities | None:
        with torch.no_grad():
            moved = self.moved(scores.exact(), labels)
            weight = self.item_weights(moved, labels)
            return torch.sigmoid(moved.s).flatten(), _binary(labels, moved.s).flatten(), weight.flatten()


class Kto(Pointwise):
    """lambda_y (1 - v), v = sigmoid(+-beta (u - z0)), z0 = max(mean kl_logratio, 0) (Ethayarajh et al. 2024, eq. 8)."""

    name = "kto"
    kinds = frozenset({Kind.BINARY})
    requires = frozenset({"ref_logp", "kl_logratio"})

    def __init__(self, options: KtoOptions) -> None:
        super().__init__()
        self.options = options
        self.ratio = LogRatio(LogRatioOptions(beta=1.0))

    def moved(self, scores: Scores, labels: Labels) -> Scores:
        moved: Scores = self.ratio(scores, labels)
        return moved

    def cost(self, scores: Scores, labels: Labels) -> Tensor:
        reference = scores.aux["kl_logratio"].detach().mean().clamp_min(0)
        y, gain = _binary(labels, scores.s), self.options.beta * (scores.s - reference)
        good, bad = torch.sigmoid(-gain), torch.sigmoid(gain)
        return y * self.options.desirable * good + (1 - y) * self.options.undesirable * bad


class Regression(Pointwise):
    """Huber loss of s against the grade."""

    name = "regression"
    kinds = frozenset({Kind.GRADE})

    def __init__(self, options: RegressionOptions) -> None:
        super().__init__()
        self.delta = options.delta

    def cost(self, scores: Scores, labels: Labels) -> Tensor:
        return huber_loss(scores.s, _grades(labels).to(scores.s), reduction="none", delta=self.delta)


class Ordinal(Pointwise):
    """-log [sigmoid(s - b_r) - sigmoid(s - b_(r+1))], thresholds b sorted and learned (McCullagh 1980)."""

    name = "ordinal"
    kinds = frozenset({Kind.GRADE})

    def __init__(self, options: OrdinalOptions) -> None:
        super().__init__()
        self.levels, self.lowest = options.levels, options.lowest
        steps = options.levels - 2
        self.first = nn.Parameter(torch.tensor(-steps / 2, dtype=torch.float64))
        self.gaps = nn.Parameter(
            torch.full((steps,), math.log(math.expm1(1.0)), dtype=torch.float64)
        )  # thresholds 1 apart

    def thresholds(self) -> Tensor:
        """(levels - 1,) sorted borders between the grades."""
        return torch.cat([self.first.view(1), self.first + softplus(self.gaps).cumsum(0)])

    def cost(self, scores: Scores, labels: Labels) -> Tensor:
        grade = _grades(labels) - self.lowest
        level = grade.round().long().masked_fill(~scores.mask, 0)
        if bool(
            ((level < 0) | (level >= self.levels) | ((level - grade).abs() > 1e-6))
            .masked_fill(~scores.mask, False)
            .any()
        ):
            raise DataError(
                f"loss 'ordinal' takes whole grades from {self.lowest} to {self.lowest + self.levels - 1}, and there are "
                "others: set `levels` and `lowest` to what was answered, or use loss: regression"
            )
        border = self.thresholds().to(scores.s)
        far = border.new_full((1,), torch.inf)
        below = (scores.s - torch.cat([-far, border])[level]).clamp_max(1e30)  # s - b_r, +inf for the lowest grade
        above = (scores.s - torch.cat([border, far])[level]).clamp_min(-1e30)
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - e^(b-a)), exact in the tails
        return -(logsigmoid(below) + logsigmoid(-above) + log1mexp(above - below))


def _binary(labels: Labels, like: Tensor) -> Tensor:
    assert labels.binary is not None
    return labels.binary.to(like)


def _grades(labels: Labels) -> Tensor:
    assert labels.grade is not None
    return labels.grade


def bce(options: BinaryOptions) -> BinaryCrossEntropy:
    """Builder of `bce`."""
    return BinaryCrossEntropy(options)


def kto(options: KtoOptions) -> Kto:
    """Builder of `kto`."""
    return Kto(options)


def regression(options: RegressionOptions) -> Regression:
    """Builder of `regression`."""
    return Regression(options)


def ordinal(options: OrdinalOptions) -> Ordinal:
    """Builder of `ordinal`."""
    return Ordinal(options)
