"""State entropy as a reward: what PEBBLE explores with before the first question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrl.rewards.options import EntropyOptions
from prefrl.specs import BuildContext, Scorer
from prefrl.types import Array, Channels, Episode, Item


class StateEntropy:
    """Distance of each observation to its k-th nearest neighbour among those seen (Lee et al. 2021, PEBBLE, eq. 5).

    Distances are in units of each entry's standard deviation. A state is one of the seen, so that k + 1 neighbours are
    looked up; at most `reference` of the seen are compared against, a uniform sample of all (reservoir).
    """

    markov = True
    version = 1

    def __init__(self, options: EntropyOptions, context: BuildContext) -> None:
        self._k, self._limit = options.neighbours, options.reference
        self._rng = context.rng("entropy")
        self._seen = 0
        self._held: Array = np.empty((self._limit, int(np.prod(context.env.obs_shape))), np.float32)

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        states = np.concatenate([np.asarray(e.obs[1:], np.float32).reshape(len(e), -1) for e in episodes])
        self._remember(states)
        reference = self._held[: min(self._seen, self._limit)]
        std = reference.std(0).clip(1e-3)
        return {"reward": kth_distance(states / std, reference / std, self._k)}

    def _remember(self, states: Array) -> None:
        free = states[: max(0, self._limit - self._seen)]
        self._held[self._seen : self._seen + len(free)] = free
        self._seen += len(free)
        for state in states[len(free) :]:  # Vitter's algorithm R
            self._seen += 1
            if (place := int(self._rng.integers(self._seen))) < self._limit:
                self._held[place] = state

    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        return np.zeros((1, len(items)))

    def observe(self, episodes: Sequence[Episode]) -> None:
        """Sees states when it rewards them."""

    def collate(self, items: Sequence[Item]) -> None:
        """Nothing is fitted."""

    def scorers(self) -> Sequence[Scorer]:
        return ()

    def reset(self) -> None:
        """No weights."""

    def fitted(self) -> None:
        """Never fitted."""

    def state_dict(self) -> Mapping[str, Any]:
        return {"seen": self._seen, "held": self._held, "rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._seen, self._held = state["seen"], state["held"].copy()
        self._rng.bit_generator.state = state["rng"]


def kth_distance(points: Array, reference: Array, k: int, chunk: int = 512) -> Array:
    """(N,) Euclidean distance of each point to its k-th nearest of `reference`, not counting itself.

    `points` (N, d) are taken to be among `reference` (M, d): the nearest, at distance 0, is skipped.
    """
    centre = reference.mean(0)  # large coordinates would lose the small distances: cdist multiplies
    points, reference = points - centre, reference - centre
    against = torch.from_numpy(np.ascontiguousarray(reference, np.float32))
    k = min(k + 1, len(against))
    parts: list[Tensor] = [
        torch.cdist(part, against).topk(k, largest=False).values[:, -1]
        for part in torch.split(torch.from_numpy(np.ascontiguousarray(points, np.float32)), chunk)
    ]
    return np.asarray(torch.cat(parts).numpy())
