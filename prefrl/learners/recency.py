"""A replay buffer's size in, rows to learn from out: some from what was recorded last, the rest from all of it."""

from __future__ import annotations

import numpy as np

from prefrl.learners.options import RecentOptions
from prefrl.specs import BuildContext
from prefrl.types import Array


class Recent:
    """QPA's hybrid replay (Hu et al. 2024, arXiv 2305.17400, 4.2): half of each batch is what the policy does by now.

    As long as all there is is recent, rows are drawn from all. QPA ends it with the last label; here it goes on.
    """

    def __init__(self, options: RecentOptions, context: BuildContext) -> None:
        self._options = options

    def rows(self, size: int, batch: int, rng: np.random.Generator) -> Array:
        recent = int(batch * self._options.share)
        first = max(0, size - self._options.steps)
        return np.concatenate([rng.integers(first, size, recent), rng.integers(0, size, batch - recent)])
