"""Label transforms: labelled pairs in, pairs with another target, weight or margin out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from prefrl.losses import parts
from prefrl.losses.labels import Labels
from prefrl.losses.pairs import Pairs

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


BUILD: Mapping[str, Callable[[Any], LabelTransform]] = {
    "smooth_flip": smooth_flip, "smooth_uniform": smooth_uniform, "margin": margin,
}  # fmt: skip


def build_label_transform(part: parts.Part) -> LabelTransform:
    """The label transform that `part` names."""
    return BUILD[part.name](part.options)
