"""Segments or episodes in, padded tensors out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prefrl.errors import DataError
from prefrl.types import Array, EnvInfo, Episode, Item, Segment


@dataclass(frozen=True, slots=True, eq=False)
class SegmentBatch:
    """N segments padded to the longest: `inputs` (N, H, D) float32, `mask` (N, H) bool, `lengths` (N,) int."""

    inputs: Tensor
    mask: Tensor
    lengths: Tensor

    def at(self, index: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Chosen steps of items: `index` (B, K), `steps` (B, K, L), -1 for none; inputs (B, K, L, D), mask (B, K, L)."""
        inside = (steps >= 0) & (index >= 0).unsqueeze(-1)
        rows = index.clamp(min=0).unsqueeze(-1)
        return self.inputs[rows, steps.clamp(min=0)], inside


def step_inputs(obs: Array, action: Array, env: EnvInfo) -> Array:
    """(T, D) float32 rows [observation, action]; discrete actions as one-hot."""
    steps = len(action)
    flat = np.asarray(obs, np.float32).reshape(steps, -1)
    if env.discrete_actions is not None:
        acts = np.eye(env.discrete_actions, dtype=np.float32)[np.asarray(action, int).reshape(steps)]
    else:
        acts = np.asarray(action, np.float32).reshape(steps, -1)
    return np.concatenate([flat, acts], axis=1)


def input_size(env: EnvInfo) -> int:
    """D of `step_inputs`."""
    return int(np.prod(env.obs_shape)) + (env.discrete_actions or int(np.prod(env.action_shape)))


def collate_segments(items: Sequence[Item], env: EnvInfo, device: str | torch.device) -> SegmentBatch:
    """Pad segments (a candidate's clip counts as one); texts have no steps and are refused."""
    rows = [step_inputs(clip.obs[:-1], clip.action, env) for clip in map(clip_of, items)]
    longest = max(len(row) for row in rows)
    inputs = np.zeros((len(rows), longest, input_size(env)), np.float32)
    for i, row in enumerate(rows):
        inputs[i, : len(row)] = row
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(longest) < lengths.unsqueeze(-1)
    return SegmentBatch(torch.from_numpy(inputs).to(device), mask.to(device), lengths.to(device))


def clip_of(item: Item) -> Segment:
    """The steps of an item."""
    clip = item if isinstance(item, Segment) else getattr(item, "clip", None)
    if clip is None:
        raise DataError(f"a reward model of robot steps cannot score item {item.id[:12]}, which holds no clip.")
    return clip


def episode_inputs(episodes: Sequence[Episode], env: EnvInfo) -> Tensor:
    """(N, D) rows of all steps of `episodes`, one after the other, on the CPU."""
    return torch.from_numpy(np.concatenate([step_inputs(e.obs[:-1], e.action, env) for e in episodes]))
