"""A batch's segment lengths in, the windows to train on out."""

from __future__ import annotations

import torch
from torch import Tensor

from prefrl.rewards.options import CropOptions
from prefrl.specs import BuildContext


class Crop:
    """All items of a query share the length, H minus 0 to 2 * steps; their starts are independent."""

    def __init__(self, options: CropOptions, context: BuildContext) -> None:
        self._steps = options.steps

    def windows(self, lengths: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        queries = len(lengths)
        removed = torch.randint(0, 2 * self._steps + 1, (queries, 1), generator=generator).to(lengths.device)
        length = (lengths - removed).clamp(min=1).minimum(lengths)
        slack = lengths - length
        start = (torch.rand(lengths.shape, generator=generator).to(lengths.device) * (slack + 1)).long().minimum(slack)
        return start, length
