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


def recorded_inputs(recorded: Segment | Episode, env: EnvInfo, factors: Sequence[str] = ()) -> Array:
    """(T, D + F) float32 rows [observation, action, factors] of what was recorded; DataError names a factor it lacks."""
    rows = step_inputs(recorded.obs[:-1], recorded.action, env)
    if not factors:
        return rows
    for name in factors:
        if name not in recorded.factors or not np.isfinite(recorded.factors[name]).all():
            what = "holds no factor" if name not in recorded.factors else "has NaN or infinity in factor"
            raise DataError(
                f"reward.factors: {type(recorded).__name__.lower()} {recorded.id[:12]} {what} '{name}', so it cannot be "
                f"rewarded by it; take it out, or record it where the task measures it."
            )
    return np.concatenate([rows, np.stack([recorded.factors[n] for n in factors], 1).astype(np.float32)], axis=1)


def collate_segments(
    items: Sequence[Item], env: EnvInfo, device: str | torch.device, factors: Sequence[str] = ()
) -> SegmentBatch:
    """Pad segments (a candidate's clip counts as one); texts have no steps and are refused."""
    rows = [recorded_inputs(clip, env, factors) for clip in map(clip_of, items)]
    longest = max(len(row) for row in rows)
    inputs = np.zeros((len(rows), longest, input_size(env) + len(factors)), np.float32)
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


def episode_inputs(episodes: Sequence[Episode], env: EnvInfo, factors: Sequence[str] = ()) -> Tensor:
    """(N, D + F) rows of all steps of `episodes`, one after the other, on the CPU."""
    return torch.from_numpy(np.concatenate([recorded_inputs(episode, env, factors) for episode in episodes]))
