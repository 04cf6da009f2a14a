"""A batch's segment lengths in, the windows and steps to train on out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prefrl.rewards.options import CropOptions, ShortenOptions
from prefrl.specs import Augmentation, BuildContext


class Crop:
    """All items of a query share the length, H minus 0 to 2 * steps; their starts are independent."""

    def __init__(self, options: CropOptions, context: BuildContext) -> None:
        self._steps = options.steps

    def windows(self, lengths: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        queries = len(lengths)
        removed = torch.randint(0, 2 * self._steps + 1, (queries, 1), generator=generator).to(lengths.device)
        length = (lengths - removed).clamp(min=1).minimum(lengths)
        return _starts(lengths, length, generator), length


class Shorten:
    """QPA's crops: between `shortest` and `longest` steps, the same number of every item of a query, starts independent."""

    def __init__(self, options: ShortenOptions, context: BuildContext) -> None:
        self._shortest, self._longest = options.shortest, options.longest

    def windows(self, lengths: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        wanted = torch.randint(self._shortest, self._longest + 1, (len(lengths), 1), generator=generator)
        length = wanted.to(lengths.device).minimum(lengths)
        return _starts(lengths, length, generator), length


def _starts(lengths: Tensor, length: Tensor, generator: torch.Generator) -> Tensor:
    """Of windows of `length` within `lengths`, each independent and uniform."""
    slack = lengths - length
    return (torch.rand(lengths.shape, generator=generator).to(lengths.device) * (slack + 1)).long().minimum(slack)


def steps_of(
    length: Tensor,
    augment: Sequence[Augmentation] = (),
    sample: int | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """(B, K, L) steps, -1 for none, and the (B, K) factor by which their sum estimates the sum over the window.

    Of clips of `length` (B, K): all steps, or those that augmentations leave, or `sample` of these.
    """
    start = torch.zeros_like(length)
    for augmentation in augment:
        assert generator is not None
        offset, length = augmentation.windows(length, generator)
        start = start + offset
    longest = int(length.max())
    if sample is None or sample >= longest:
        offsets = torch.arange(longest, device=length.device).expand(*length.shape, longest)
        scale = torch.ones(length.shape, device=length.device)
    else:  # one step from each of `sample` equal parts of the window: spread like the window, at a random phase
        part = torch.rand((*length.shape, sample), generator=generator).to(length.device)
        parts = (torch.arange(sample, device=length.device) + part) / sample
        offsets = (parts * length.unsqueeze(-1)).long().minimum(length.unsqueeze(-1) - 1)
        scale = length / sample
    return torch.where(offsets < length.unsqueeze(-1), start.unsqueeze(-1) + offsets, -1), scale
