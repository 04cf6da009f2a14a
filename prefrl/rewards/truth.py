"""The environment's own reward as a reward model: the ground-truth arm, on the very path of every other arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prefrl.options import NoOptions
from prefrl.specs import BuildContext, Scorer
from prefrl.types import Array, Channels, Episode, Item


class TrueReward:
    """Reads `true_reward`; no preference changes it."""

    markov = True
    version = 1

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        return {"reward": np.concatenate([np.asarray(episode.true_reward) for episode in episodes])}

    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        return np.array([[np.sum(getattr(item, "true_reward")) for item in items]])  # noqa: B009 - items are a union

    def observe(self, episodes: Sequence[Episode]) -> None:
        """Nothing to normalise."""

    def collate(self, items: Sequence[Item]) -> None:
        """Nothing is fitted."""

    def scorers(self) -> Sequence[Scorer]:
        return ()

    def reset(self) -> None:
        """No weights."""

    def fitted(self) -> None:
        """Never fitted."""

    def state_dict(self) -> Mapping[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""


def true_reward(options: NoOptions, context: BuildContext) -> TrueReward:
    """Builder."""
    return TrueReward()
