"""Label transforms: labelled pairs in, pairs with another target, weight or margin out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from prefrl.errors import ConfigError
from prefrl.losses import parts
from prefrl.losses.labels import Labels
from prefrl.losses.pairs import Pairs
from prefrl.losses.part import Part

LabelTransform = Callable[[Pairs, Labels], Pairs]


def smooth_flip(options: parts.SmoothFlip) -> LabelTransform:
    """(1-e) p + e (1-p): an answer is the wrong way round with probability e (cDPO)."""
    e = options.epsilon
    return lambda pairs, labels: pairs.with_target((1 - e) * pairs.p + e * (1 - pairs.p))


def smooth_uniform(options: parts.SmoothUniform) -> LabelTransform:
    """(1-e) p + e/2: an answer is a coin toss with probability e."""
    e = options.epsilon
    return lambda pairs, labels: pairs.with_target((1 - e) * pairs.p + e / 2)


def margin(options: parts.Margin) -> LabelTransform:
    """A constant on top of each pair's margin."""
    return lambda pairs, labels: replace(pairs, m=pairs.m + options.margin)


def flip_by_votes(options: parts.FlipByVotes) -> LabelTransform:
    """1 - p where the voters' mean lies against the answer by more than the threshold (Secrets II, section 2.2)."""

    def flip(pairs: Pairs, labels: Labels) -> Pairs:
        against = -_strength(pairs, labels) > options.threshold
        return pairs.with_target(torch.where(against, 1 - pairs.p, pairs.p))

    return flip


def soft_from_votes(options: parts.SoftFromVotes) -> LabelTransform:
    """P = sigmoid(mean vote): how sure the voters are replaces the answer."""
    return lambda pairs, labels: pairs.with_target(torch.sigmoid(_votes(pairs, labels)))


def margin_from_votes(options: parts.MarginFromVotes) -> LabelTransform:
    """The mean vote in the preferred direction; negative where the voters disagree with the answer."""
    return lambda pairs, labels: replace(pairs, m=pairs.m + _strength(pairs, labels))


def _votes(pairs: Pairs, labels: Labels) -> Tensor:
    """(N,) mean difference s_i - s_j as the voters see it."""
    if labels.votes is None:
        raise ConfigError(
            "label transforms by votes need `votes` in the labels, one score difference per voter and pair: "
            "fit several models on held-out folds first, or take the label transform out"
        )
    return labels.votes.mean(1).to(pairs.p)[pairs.b]


def _strength(pairs: Pairs, labels: Labels) -> Tensor:
    """(N,) mean vote in the direction of the answer."""
    return (2 * pairs.p - 1) * _votes(pairs, labels)


BUILD: Mapping[str, Callable[[Any], LabelTransform]] = {
    "smooth_flip": smooth_flip, "smooth_uniform": smooth_uniform, "flip_by_votes": flip_by_votes,
    "soft_from_votes": soft_from_votes, "margin_from_votes": margin_from_votes, "margin": margin,
}  # fmt: skip


def build_label_transform(part: Part) -> LabelTransform:
    """The label transform that `part` names."""
    return BUILD[part.name](part.options)
