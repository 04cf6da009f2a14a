"""The pair loss: a design of parts becomes a loss over labelled pairs of items.

L = coef * sum w * weight_ij * link(T(s)_i, T(s)_j; label_tf(p), m) / sum w  +  sum_r coef_r * reg_r
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prefrl.losses.label_transforms import build_label_transform
from prefrl.losses.labels import LISTS, Kind, Labels
from prefrl.losses.links import build_link
from prefrl.losses.loss import LossOut, PrefLoss, Probabilities
from prefrl.losses.metrics import (
    MetricBag,
    first_wins,
    group_metrics,
    list_metrics,
    pair_metrics,
    policy_metrics,
    probability_metrics,
    score_metrics,
)
from prefrl.losses.options import Design, PairOptions
from prefrl.losses.pair_weights import build_pair_weight
from prefrl.losses.pairs import Pairs, to_pairs
from prefrl.losses.regularisers import build_regulariser
from prefrl.losses.scores import Scores
from prefrl.losses.transforms import Chain


class PairLoss(PrefLoss):
    """A loss over every labelled pair of a query: pairs, choices, rankings and grades alike."""

    kinds = LISTS

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        self.requires = design.requires
        self.link = build_link(design.link)
        self.transform = Chain(design.transform)
        self.label_tf = [build_label_transform(part) for part in design.label_tf]
        self.pair_weight = build_pair_weight(design.pair_weight)
        self.reg_coefs = [coef for coef, _ in design.reg]
        self.regs = nn.ModuleList(build_regulariser(part) for _, part in design.reg)

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        moved, given = self._prepared(scores, labels)
        pairs = given
        for change in self.label_tf:
            pairs = change(pairs, labels)
        si, sj = moved.s[pairs.b, pairs.i], moved.s[pairs.b, pairs.j]
        cost = self.link(si, sj, pairs.p, pairs.m, pairs.tie)
        cost = cost * pairs.w * self.pair_weight(scores.detach(), moved.s.detach(), labels, pairs)
        size = len(scores.s)
        row, weight = cost.view(size, -1).sum(1), pairs.w.view(size, -1).sum(1)

        def measure(bag: MetricBag) -> None:
            self._measure(bag, scores, moved, labels, given)

        out = self.reduced(row, weight, measure)
        return self._regularised(out, scores, labels) if self.regs or self.design.coef != 1.0 else out

    def probabilities(self, scores: Scores, labels: Labels) -> Probabilities | None:
        with torch.no_grad():
            moved, pairs = self._prepared(scores.exact(), labels)
            log_probs = self.link.log_probs(moved.s[pairs.b, pairs.i], moved.s[pairs.b, pairs.j])
            return None if log_probs is None else (first_wins(log_probs), pairs.p, pairs.w)

    def _prepared(self, scores: Scores, labels: Labels) -> tuple[Scores, Pairs]:
        """Transformed scores, and the pairs as they were labelled."""
        moved: Scores = self.transform(scores, labels)
        return moved, to_pairs(labels, scores.mask, self.design.ties, self.design.pair_norm).to(moved.s)

    def _regularised(self, out: LossOut, scores: Scores, labels: Labels) -> LossOut:
        terms: dict[str, Tensor] = {"pairs": out.loss}
        loss, per_example = self.design.coef * out.loss, self.design.coef * out.per_example
        for coef, reg in zip(self.reg_coefs, self.regs, strict=True):
            extra: LossOut = reg.evaluate(scores, labels)  # type: ignore[operator]
            terms |= extra.terms
            loss, per_example = loss + coef * extra.loss, per_example + coef * extra.per_example
        return LossOut(loss, terms, per_example, out.weight, out.measure)

    def _measure(self, bag: MetricBag, scores: Scores, moved: Scores, labels: Labels, pairs: Pairs) -> None:
        s = moved.s.detach()
        si, sj = s[pairs.b, pairs.i], s[pairs.b, pairs.j]
        score_metrics(bag, s, scores.mask, labels.weights(s))
        pair_metrics(bag, si - sj, pairs)
        if (log_probs := self.link.log_probs(si, sj)) is not None:
            probability_metrics(bag, log_probs, pairs)
        if (cut := self.link.clamped(si, sj)) is not None:
            bag.mean("clamped_frac", cut.to(s), pairs.w)
        for cut_items in self.transform.clamped(scores.detach(), labels):
            bag.mean("clamped_frac", cut_items.to(s), scores.mask.to(s))
        if labels.kind is not Kind.PAIR:
            list_metrics(bag, s, scores.mask, labels, pairs)
        if labels.group is not None:
            group_metrics(bag, si - sj, pairs, labels.group)
        if "ref_logp" in scores.aux:
            policy_metrics(bag, scores.s.detach(), si - sj, pairs, scores.aux)


def build(options: PairOptions) -> PairLoss:
    """The pair loss that `options` describe."""
    return PairLoss(options.design())
