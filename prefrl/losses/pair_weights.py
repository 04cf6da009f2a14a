"""Pair weights: detached scores and labelled pairs in, how much each pair counts out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from prefrl.losses import parts
from prefrl.losses.labels import Labels
from prefrl.losses.pairs import Pairs
from prefrl.losses.scores import Scores

PairWeight = Callable[[Scores, Labels, Pairs], Tensor]


def uniform(options: parts.Uniform) -> PairWeight:
    """1 for every pair."""
    return lambda scores, labels, pairs: torch.ones_like(pairs.w)


BUILD: Mapping[str, Callable[[Any], PairWeight]] = {"uniform": uniform}


def build_pair_weight(part: parts.Part) -> PairWeight:
    """The pair weight that `part` names."""
    return BUILD[part.name](part.options)
