"""Transforms: raw scores in, the scores that are compared out; the only place of scale, reference and length."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prefrl.losses import parts
from prefrl.losses.labels import Labels
from prefrl.losses.scores import Scores


class Transform(nn.Module):
    """Built from its options; changes `Scores.s` (B, K) and nothing else."""

    def forward(self, scores: Scores, labels: Labels) -> Scores:
        return scores.with_scores(self.moved(scores))

    def moved(self, scores: Scores) -> Tensor:
        """The new scores (B, K); entries without an item may hold anything finite."""
        raise NotImplementedError


class Temperature(Transform):
    """s / tau."""

    def __init__(self, options: parts.Temperature) -> None:
        super().__init__()
        self.log_tau = nn.Parameter(
            torch.tensor(math.log(options.tau), dtype=torch.float64), requires_grad=options.learn
        )

    def moved(self, scores: Scores) -> Tensor:
        return scores.s * (-self.log_tau).exp().to(scores.s)


class Scale(Transform):
    """alpha * s."""

    def __init__(self, options: parts.Scale) -> None:
        super().__init__()
        self.alpha = options.alpha

    def moved(self, scores: Scores) -> Tensor:
        return self.alpha * scores.s


BUILD: Mapping[str, Callable[[Any], Transform]] = {"temperature": Temperature, "scale": Scale}


class Chain(nn.Module):
    """Transforms one after another."""

    def __init__(self, chain: Sequence[parts.Part]) -> None:
        super().__init__()
        self.chain = nn.ModuleList(BUILD[part.name](part.options) for part in chain)

    def forward(self, scores: Scores, labels: Labels) -> Scores:
        for transform in self.chain:
            scores = transform(scores, labels)
        return scores
