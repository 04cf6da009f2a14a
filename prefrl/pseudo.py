"""Pairs of clips that nobody judged in; a loss from the answers that a member is already sure of out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from prefrl.losses import Scores
from prefrl.settings import UnlabelledSettings
from prefrl.specs import RewardModel
from prefrl.types import Item


@dataclass(frozen=True, slots=True, eq=False)
class Unjudged:
    """Pairs of clips: `index` (M, 2) rows into the item batch."""

    batch: Any  # what the reward model's `collate` made of the items
    lengths: Tensor
    index: Tensor


def unjudged(items: Sequence[Item], reward: RewardModel) -> Unjudged:
    """Each two of `items` as a pair."""
    batch = reward.collate(items)
    index = torch.arange(len(items) // 2 * 2, device=batch.mask.device).reshape(-1, 2)
    return Unjudged(batch, batch.lengths, index)


# (pairs, (B, 2) rows of their items, whether as in training, generator) -> scores of one member
Scoring = Callable[[Unjudged, Tensor, bool, torch.Generator], Scores]


class PseudoLabels:
    """SURF (Park et al. 2022, arXiv 2203.10050, 4.1): a member labels pairs for itself where it is sure of them.

    The label is that of the whole clips; what is fitted is the augmented ones. Pairs of which it is not sure count zero in
    the mean. Whole clips are H steps here; SURF records some steps more on each side, to crop from.
    """

    def __init__(self, settings: UnlabelledSettings, generator: torch.Generator) -> None:
        self._settings, self._generator = settings, generator

    def loss(self, scoring: Scoring, pairs: Unjudged, answers: int) -> Tensor:
        """Of a batch of `settings.batches` times as many pairs as there were `answers` in the other one."""
        settings = self._settings
        chosen = torch.randint(len(pairs.index), (answers * settings.batches,), generator=self._generator)
        index = pairs.index[chosen.to(pairs.index.device)]
        with torch.no_grad():
            whole = scoring(pairs, index, False, self._generator).s
            p = torch.sigmoid(whole[:, 0] - whole[:, 1])
        sure = torch.maximum(p, 1 - p) >= settings.threshold
        cropped = scoring(pairs, index, True, self._generator).s
        each = functional.binary_cross_entropy_with_logits(
            cropped[:, 0] - cropped[:, 1], (p > 0.5).float(), reduction="none"
        )
        return settings.weight * (each * sure).mean()
