"""Recorded steps with their learned channels in, an exploration bonus for each out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prefrl.rewards.options import DisagreementOptions
from prefrl.specs import BuildContext
from prefrl.types import Array, Channels, Episode


class Disagreement:
    """RUNE (Liang et al. 2022, arXiv 2205.12401): beta_t times the std over members, beta_t = beta (1 - decay)^t.

    t are the environment steps taken when a step is labelled: replay buffers get a new t after each fit. Members weigh alike,
    because each is divided by its own standard deviation; before the first fit there is none to speak of, and no bonus.
    """

    def __init__(self, options: DisagreementOptions, context: BuildContext) -> None:
        self._options = options

    def weight(self, step: int) -> float:
        """beta_t."""
        return self._options.beta * (1 - self._options.decay) ** step

    def rewards(self, episodes: Sequence[Episode], channels: Channels, step: int) -> Array:
        return (
            np.asarray(self.weight(step) * channels["std"]) if "std" in channels else np.zeros(sum(map(len, episodes)))
        )
