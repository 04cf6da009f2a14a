"""Metrics as sums and weights that merge exactly; they are divided only when they are read.

Most are means. A name's last word says otherwise: std keeps (sum wx, sum wx^2), ece10 one signed gap per bin, n_eff
(sum w, sum w^2), corr five moments, abs_max a maximum; n and n_pairs are totals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from prefrl.losses.labels import Labels, relevance
from prefrl.losses.pairs import Pairs

Number = Tensor | float


class MetricBag:
    """Name -> (sum, weight). Merging the bags of two batches gives the bag of their union."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[Tensor, Tensor]] = {}

    def __getitem__(self, name: str) -> tuple[Tensor, Tensor]:
        return self.entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def add(self, name: str, total: Number, weight: Number) -> None:
        """Add a weighted sum and its weight to what `name` holds."""
        new = torch.as_tensor(total).detach(), torch.as_tensor(weight).detach()
        if name in self.entries:
            old = self.entries[name]
            joined = torch.maximum(old[0], new[0]) if _kind(name) == "abs_max" else old[0] + new[0]
            new = joined, old[1] + new[1]
        self.entries[name] = new

    def mean(self, name: str, values: Tensor, weight: Tensor) -> None:
        """Add values of which the weighted mean is wanted."""
        self.add(name, (values * weight).sum(), weight.sum())

    def spread(self, name: str, values: Tensor, weight: Tensor) -> None:
        """Add values of which ``name/mean`` and ``name/std`` are wanted."""
        values, weight = values.double(), weight.double()
        total = (values * weight).sum()
        self.add(f"{name}/mean", total, weight.sum())
        self.add(f"{name}/std", torch.stack([total, (values.square() * weight).sum()]), weight.sum())

    def merge(self, other: MetricBag) -> None:
        """Take in another batch's metrics."""
        for name, (total, weight) in other.entries.items():
            self.add(name, total, weight)

    def means(self) -> dict[str, float]:
        """Every metric as a number; NaN where nothing had weight."""
        return {name: _finish(_kind(name), total, float(weight)) for name, (total, weight) in self.entries.items()}


def _kind(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _finish(kind: str, total: Tensor, weight: float) -> float:
    if kind in _FINISH:
        return _FINISH[kind](total.double(), weight)
    return float(total) / weight if weight else math.nan


def _std(total: Tensor, weight: float) -> float:
    if not weight:
        return math.nan
    first, second = (total / weight).tolist()
    return math.sqrt(max(second - first * first, 0.0))


def _corr(total: Tensor, weight: float) -> float:
    if not weight:
        return math.nan
    x, y, xx, yy, xy = (total / weight).tolist()
    scale = math.sqrt(max(xx - x * x, 0.0) * max(yy - y * y, 0.0))
    return (xy - x * y) / scale if scale > 0 else math.nan


_FINISH: dict[str, Callable[[Tensor, float], float]] = {
    "std": _std,
    "len_margin_corr": _corr,
    "ece10": lambda total, weight: float(total.abs().sum()) / weight if weight else math.nan,
    "n_eff": lambda total, weight: float(total[0] ** 2 / total[1]) if weight else 0.0,
    "abs_max": lambda total, weight: float(total),
    "n_pairs": lambda total, weight: float(total),
    "n": lambda total, weight: float(total),
}


# --- what is measured -------------------------------------------------------------------------------------------------


def right(d: Tensor, p: Tensor) -> Tensor:
    """1 where the sign of d says what p says, 1/2 where d is 0; meaningless where p is 1/2."""
    return torch.where(d == 0, 0.5, ((d > 0) == (p > 0.5)).to(d.dtype))


def ece_gaps(confidence: Tensor, correct: Tensor, weight: Tensor, bins: int = 10) -> Tensor:
    """(bins,) sums of weight * (confidence - correctness) over equal-width bins of confidence."""
    place = (confidence * bins).long().clamp(0, bins - 1)
    return confidence.new_zeros(bins).index_add(0, place, weight * (confidence - correct))


def score_metrics(bag: MetricBag, s: Tensor, mask: Tensor, weight: Tensor) -> None:
    """Level, spread and largest of transformed scores (B, K), and how much of the weights (B,) is left."""
    bag.spread("score", s, mask.to(s))
    bag.add("score/abs_max", s.abs().masked_fill(~mask, 0.0).max() if s.numel() else 0.0, 1.0)
    exact = weight.double()
    bag.add("n_eff", torch.stack([exact.sum(), exact.square().sum()]), exact.sum())
    bag.add("frac_skip", (weight == 0).sum(), len(weight))


def pair_metrics(bag: MetricBag, d: Tensor, pairs: Pairs) -> None:
    """Agreement of differences d (N,) with labelled pairs."""
    clear = pairs.w * (pairs.p != 0.5)
    used = (pairs.w > 0).to(pairs.w)
    sign = torch.sign(pairs.p - 0.5)
    bag.mean("acc", right(d, pairs.p), clear)
    bag.spread("margin", d * sign, clear)
    bag.mean("frac_tie", pairs.tie, used)
    bag.add("n_pairs", used.sum(), 1.0)
    chance = torch.sigmoid(d)
    entropy = torch.nn.functional.softplus(d) - d * chance
    bag.mean("entropy", entropy, pairs.w)


def probability_metrics(bag: MetricBag, log_probs: Tensor, pairs: Pairs) -> None:
    """Calibration of a link's own probabilities: log P of (i wins, j wins[, tie]) as (N, 2 or 3)."""
    outcome = outcomes(pairs) if log_probs.shape[1] == 3 else torch.stack([pairs.p, 1 - pairs.p], 1)
    bag.mean("nll", -(outcome * log_probs).sum(1), pairs.w)
    p = first_wins(log_probs)
    bag.mean("brier", (p - pairs.p).square(), pairs.w)
    clear = pairs.w * (pairs.p != 0.5)
    correct = right(p - 0.5, pairs.p)
    bag.add("ece10", ece_gaps(torch.maximum(p, 1 - p), correct, clear), clear.sum())
    if log_probs.shape[1] == 3:
        said = log_probs.argmax(1)
        bag.mean("acc_tie", (said == outcome.argmax(1)).to(p), pairs.w)
        bag.mean("tie_rate_pred", (said == 2).to(p), pairs.w)


def outcomes(pairs: Pairs) -> Tensor:
    """(N, 3) target shares of (i wins, j wins, tie)."""
    half = pairs.tie / 2
    return torch.stack([pairs.p - half, 1 - pairs.p - half, pairs.tie], 1)


def first_wins(log_probs: Tensor) -> Tensor:
    """P(i beats j) with a tie counted as 1/2, from log P of (i wins, j wins[, tie])."""
    chance = log_probs.exp()
    return chance[:, 0] + chance[:, 2] / 2 if chance.shape[1] == 3 else chance[:, 0]


def group_metrics(bag: MetricBag, d: Tensor, pairs: Pairs, group: Tensor) -> None:
    """Accuracy and number of queries of each group (user, objective, stratum)."""
    clear = pairs.w * (pairs.p != 0.5)
    agreed, of_pair = right(d, pairs.p), group[pairs.b]
    for g in torch.unique(group).tolist():
        bag.mean(f"group/{g}/acc", agreed, clear * (of_pair == g))
        bag.add(f"group/{g}/n", (group == g).sum(), 1.0)


def list_metrics(bag: MetricBag, s: Tensor, mask: Tensor, labels: Labels, pairs: Pairs) -> None:
    """Order of whole lists: Kendall's tau over the pairs that are ordered, NDCG at K (log2), whether the top is right."""
    d = s[pairs.b, pairs.i] - s[pairs.b, pairs.j]
    ordered = (pairs.w > 0) & (pairs.p != 0.5)
    concord = torch.sign(d) * torch.sign(pairs.p - 0.5) * ordered
    size = len(mask)
    count = ordered.view(size, -1).sum(1)
    weight = labels.weights(s) * (count > 0)
    bag.mean("kendall", concord.view(size, -1).sum(1) / count.clamp_min(1), weight)
    good, known = relevance(labels, mask)
    good = good.to(s)
    bag.mean(f"ndcg@{mask.shape[1]}", ndcg(s, good, known), weight)
    top = s.masked_fill(~known, -torch.inf).argmax(1, keepdim=True)
    best = good.masked_fill(~known, -torch.inf).amax(1, keepdim=True)
    bag.mean("top1", (good.gather(1, top) == best).squeeze(1).to(s), weight)


def ndcg(s: Tensor, good: Tensor, known: Tensor) -> Tensor:
    """(B,) normalised discounted gain of the order of s (B, K): gain 2^good - 1, discount log2(1 + place)."""
    gain = (2**good - 1).masked_fill(~known, 0.0)
    discount = 1 / torch.log2(torch.arange(s.shape[1], device=s.device, dtype=s.dtype) + 2)
    order = s.masked_fill(~known, -torch.inf).argsort(stable=True, dim=1, descending=True)
    ideal = (gain.sort(1, descending=True).values * discount).sum(1)
    reached = (gain.gather(1, order) * discount).sum(1)
    return torch.where(ideal > 0, reached / ideal.masked_fill(ideal == 0, 1.0), 1.0)


def policy_metrics(bag: MetricBag, s: Tensor, d: Tensor, pairs: Pairs, aux: Mapping[str, Tensor]) -> None:
    """Of log-probabilities s (B, K): do preferred ones fall (likelihood displacement), are longer ones preferred."""
    clear = pairs.w * (pairs.p != 0.5)
    at_i, at_j = s[pairs.b, pairs.i], s[pairs.b, pairs.j]
    first = pairs.p > 0.5
    bag.mean("logp/chosen", torch.where(first, at_i, at_j), clear)
    bag.mean("logp/rejected", torch.where(first, at_j, at_i), clear)
    ratio = s - aux["ref_logp"]
    bag.mean("kl_ref", (ratio[pairs.b, pairs.i] + ratio[pairs.b, pairs.j]) / 2, pairs.w)
    if "length" in aux:
        length = aux["length"].double()
        x, y, w = d.double(), length[pairs.b, pairs.i] - length[pairs.b, pairs.j], pairs.w.double()
        moments = torch.stack([(w * v).sum() for v in (x, y, x * x, y * y, x * y)])
        bag.add("len_margin_corr", moments, w.sum())


def binary_metrics(bag: MetricBag, s: Tensor, labels: Labels, weight: Tensor) -> None:
    """AUROC within the batch, weighted by its pairs of opposites, and the share of positives; s, weight (B, K)."""
    assert labels.binary is not None
    flat, positive, w = s.flatten(), labels.binary.to(s).flatten(), weight.flatten()
    bag.mean("pos_rate", positive, w)
    bag.mean("acc", right(flat, positive), w * (positive != 0.5))
    up, down = w * positive, w * (1 - positive)
    order = flat.argsort()
    ordered = flat[order]
    below = torch.cat([down.new_zeros(1), down[order].cumsum(0)])
    left = below[torch.searchsorted(ordered, flat)]
    upto = below[torch.searchsorted(ordered, flat, right=True)]
    bag.add("auroc", (up * (left + upto) / 2).sum(), up.sum() * down.sum())
