"""SB3's rollout buffers with the learned reward of the whole rollout added in one batch.

With reward 0.0 the buffer holds exactly SB3's own time-limit bootstrap. The learned reward is added before returns and
advantages are computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer

from prefrl.relabel.relabeller import Relabeller
from prefrl.types import Array


def _add_learned(buffer: RolloutBuffer, relabel: Relabeller, dones: Array) -> None:
    """Before `get()`, which flattens the arrays in place."""
    ended = np.concatenate([buffer.episode_starts[1:], np.asarray(dones)[None]]).astype(bool)
    buffer.rewards += relabel.rollout((buffer.buffer_size, buffer.n_envs), ended)


class RelabelRolloutBuffer(RolloutBuffer):
    """SB3's rollout buffer with the learned reward of the whole rollout added in one batch."""

    def __init__(self, *args: Any, relabel: Relabeller, **kwargs: Any) -> None:
        self._relabel = relabel
        super().__init__(*args, **kwargs)

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: Array) -> None:
        _add_learned(self, self._relabel, dones)
        super().compute_returns_and_advantage(last_values, dones)


class RelabelDictRolloutBuffer(DictRolloutBuffer):
    """The same for Dict observations."""

    def __init__(self, *args: Any, relabel: Relabeller, **kwargs: Any) -> None:
        self._relabel = relabel
        super().__init__(*args, **kwargs)

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: Array) -> None:
        _add_learned(self, self._relabel, dones)
        super().compute_returns_and_advantage(last_values, dones)
