"""Pair weights: detached scores and labelled pairs in, how much each pair counts out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from prefrl.losses import parts
from prefrl.losses.labels import Labels, relevance
from prefrl.losses.pairs import Pairs
from prefrl.losses.part import Part
from prefrl.losses.scores import Scores

# raw scores, transformed scores (B, K), labels, pairs -> (N,); no gradient flows through a weight
PairWeight = Callable[[Scores, Tensor, Labels, Pairs], Tensor]


def uniform(options: parts.Uniform) -> PairWeight:
    """1 for every pair."""
    return lambda raw, s, labels, pairs: torch.ones_like(pairs.w)


def lambda_ndcg(options: parts.LambdaNdcg) -> PairWeight:
    """|G_i - G_j| |1/D_i - 1/D_j|, gain G = 2^grade - 1, D = ln(1 + place) in the current order (LiPO, eq. 9)."""

    def weigh(raw: Scores, s: Tensor, labels: Labels, pairs: Pairs) -> Tensor:
        good, known = relevance(labels, raw.mask)
        gain = (2 ** good.to(s) - 1).masked_fill(~known, 0.0)
        order = s.masked_fill(~known, -torch.inf).argsort(stable=True, dim=1, descending=True)
        place = torch.arange(1, s.shape[1] + 1, device=s.device, dtype=s.dtype).expand_as(s)
        discount = torch.zeros_like(s).scatter(1, order, 1 / torch.log1p(place))
        weight = (_at_i(gain, pairs) - _at_j(gain, pairs)).abs() * (
            _at_i(discount, pairs) - _at_j(discount, pairs)
        ).abs()
        if not options.normalise:
            return weight
        ideal = (gain.sort(1, descending=True).values / torch.log1p(place)).sum(1)
        return weight / ideal.masked_fill(ideal == 0, 1.0)[pairs.b]

    return weigh


def grade_gap(options: parts.GradeGap) -> PairWeight:
    """|grade_i - grade_j|; of rankings, the difference of their places between 0 and 1."""

    def weigh(raw: Scores, s: Tensor, labels: Labels, pairs: Pairs) -> Tensor:
        good = relevance(labels, raw.mask)[0].to(s)
        return (_at_i(good, pairs) - _at_j(good, pairs)).abs()

    return weigh


def policy_likelihood(options: parts.PolicyLikelihood) -> PairWeight:
    """Exp of both items' mean log-probability, at most 1 (WPO, Zhou et al. 2024, eq. 6 without its alignment term)."""

    def weigh(raw: Scores, s: Tensor, labels: Labels, pairs: Pairs) -> Tensor:
        mean = raw.s / raw.aux["length"].clamp_min(1)
        return (_at_i(mean, pairs) + _at_j(mean, pairs)).clamp_max(0.0).exp()

    return weigh


def focal(options: parts.Focal) -> PairWeight:
    """(1 - q)^gamma, q the probability that sigmoid(d) gives the answer (Lin et al. 2017)."""

    def weigh(raw: Scores, s: Tensor, labels: Labels, pairs: Pairs) -> Tensor:
        d = _at_i(s, pairs) - _at_j(s, pairs)
        wrong = pairs.p * torch.sigmoid(-d) + (1 - pairs.p) * torch.sigmoid(d)
        return wrong**options.gamma

    return weigh


def _at_i(values: Tensor, pairs: Pairs) -> Tensor:
    return values[pairs.b, pairs.i]


def _at_j(values: Tensor, pairs: Pairs) -> Tensor:
    return values[pairs.b, pairs.j]


BUILD: Mapping[str, Callable[[Any], PairWeight]] = {
    "uniform": uniform, "lambda_ndcg": lambda_ndcg, "grade_gap": grade_gap,
    "policy_likelihood": policy_likelihood, "focal": focal,
}  # fmt: skip


def build_pair_weight(part: Part) -> PairWeight:
    """The pair weight that `part` names."""
    return BUILD[part.name](part.options)
