"""Regularisers: terms on scores that need no opponent; each is also a loss by its own name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from prefrl.losses import parts
from prefrl.losses.labels import Kind, Labels
from prefrl.losses.loss import LossOut, PrefLoss
from prefrl.losses.scores import Scores


class Regulariser(PrefLoss):
    """A value per query (B,), averaged with the queries' weights; reads raw scores."""

    kinds = frozenset(Kind)

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        """(B,) value of each query."""
        raise NotImplementedError

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        weight = labels.weights(scores.s)
        return self.reduced(self.value(scores, labels) * weight, weight, lambda bag: None)


class Center(Regulariser):
    """(2 mean_k s)^2, at K = 2 TRL's (s_0 + s_1)^2."""

    name = "center"

    def __init__(self, options: parts.Center) -> None:
        super().__init__()

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        return (2 * scores.s.sum(1) / scores.mask.sum(1).clamp_min(1)).square()


BUILD: Mapping[str, Callable[[Any], PrefLoss]] = {"center": Center}


def build_regulariser(part: parts.Part) -> PrefLoss:
    """The regulariser that `part` names."""
    return BUILD[part.name](part.options)


def center(options: parts.Center) -> PrefLoss:
    """Builder of the loss `center`."""
    return Center(options)
