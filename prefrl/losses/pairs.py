"""Labels of queries in, labelled pairs of items out: one static layout without a loop, whatever the answers say.

Row b of B queries gives P pairs: one for pairs, K(K-1)/2 for lists, of which those that say nothing have weight 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from prefrl.losses.labels import Kind, Labels
from prefrl.losses.parts import Ties


@dataclass(frozen=True, eq=False)
class Pairs:
    """N = B * P comparisons, P consecutive ones of each query; in lists the better item is `i`."""

    b: Tensor  # (N,) int: the query
    i: Tensor  # (N,) int: its first item
    j: Tensor  # (N,) int: its second item
    p: Tensor  # (N,) target P(i beats j), a tie counted as 1/2
    w: Tensor  # (N,) weight, 0 for what says nothing
    m: Tensor  # (N,) margin in the preferred direction
    tie: Tensor  # (N,) share of a tie in [0, 1]; the outcomes are (p - tie/2, 1 - p - tie/2, tie)

    def with_target(self, p: Tensor) -> Pairs:
        """The same pairs under other targets."""
        return replace(self, p=p)

    def to(self, like: Tensor) -> Pairs:
        """The same pairs in the floating type of `like`."""
        return replace(self, p=self.p.to(like), w=self.w.to(like), m=self.m.to(like), tie=self.tie.to(like))


def to_pairs(
    labels: Labels, mask: Tensor, tie_mode: Ties = "half", pair_norm: Literal["list", "pair"] = "list"
) -> Pairs:
    """Expand `labels` over the existing items `mask` (B, K).

    Pairs stay what they are; a choice beats each of the rest; ranks and grades give every pair of items they order.
    Ties have p = 1/2, or weight 0 under ``drop``. Under ``list`` a query's pairs share its weight, so that a ranking of
    six counts like one comparison (InstructGPT); under ``pair`` each pair has the whole weight.
    """
    pairs = _of_pairs(labels, mask) if labels.kind is Kind.PAIR else _of_list(labels, mask)
    w = pairs.w * (1 - pairs.tie) if tie_mode == "drop" else pairs.w
    if pair_norm == "list" and labels.kind is not Kind.PAIR:
        counted = (w > 0).view(len(mask), -1)
        w = (w.view(len(mask), -1) / counted.sum(1, keepdim=True).clamp_min(1)).flatten()
    return replace(pairs, w=w)


def _of_pairs(labels: Labels, mask: Tensor) -> Pairs:
    p = labels.pref
    assert p is not None
    b = torch.arange(len(p), device=p.device)
    weight = labels.weights(p) * mask[:, :2].all(1)
    tie = (p == 0.5).to(p) if labels.outcome is None else labels.outcome[:, 2]
    margin = torch.zeros_like(p) if labels.margin is None else labels.margin
    return Pairs(b, torch.zeros_like(b), torch.ones_like(b), p, weight, margin, tie)


def _of_list(labels: Labels, mask: Tensor) -> Pairs:
    if labels.kind is Kind.GRADE:
        assert labels.grade is not None
        place, known = -labels.grade, mask
    else:
        assert labels.rank is not None
        place, known = labels.rank, mask & (labels.rank >= 0)
    size, k = place.shape
    first, second = torch.triu_indices(k, k, 1, device=place.device)
    at_first, at_second = place[:, first], place[:, second]
    swap = at_first > at_second
    i = torch.where(swap, second, first)
    j = torch.where(swap, first, second)
    tie = at_first == at_second
    usable = known[:, first] & known[:, second]
    if labels.kind is Kind.CHOICE:
        usable = usable & ((at_first == 0) | (at_second == 0))
    like = labels.grade if labels.grade is not None else torch.ones((), device=place.device)
    weight = labels.weights(like).unsqueeze(1) * usable
    margin = (
        torch.zeros_like(weight) if labels.margin is None else labels.margin.to(weight).unsqueeze(1).expand_as(weight)
    )
    b = torch.arange(size, device=place.device).repeat_interleave(len(first))
    share = tie.to(weight)
    flat = (i, j, 1 - share / 2, weight, margin, share)
    return Pairs(b, *(part.flatten() for part in flat))
