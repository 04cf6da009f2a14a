"""A transformer of whole clips: what a step is worth may depend on what came before, and some steps may decide.

Preference Transformer (Kim et al. 2023, arXiv 2303.00957). A clip's score is the mean over its steps of r_t (causal: of what
came before), or with `weighted_sum` of what attention makes of them, sum_t w_t r_t with weights that sum to one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from prefrl.losses import Scores
from prefrl.rewards.batch import SegmentBatch, collate_segments, episode_inputs, input_size
from prefrl.rewards.ensemble import linear
from prefrl.rewards.options import TransformerOptions
from prefrl.types import Array, Channels, EnvInfo, Episode, Item

if TYPE_CHECKING:
    from prefrl.specs import BuildContext

WINDOWS = 256  # scored at once
SCALED = 2_000  # steps observed last that set the output's scale


class Block(nn.Module):
    """Pre-norm self-attention and a feed-forward layer."""

    def __init__(self, width: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = linear(width, 3 * width, generator), linear(width, width, generator)
        self.wide, self.narrow = linear(width, 4 * width, generator), linear(4 * width, width, generator)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(self.before(x)).view(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed.unsqueeze(1))
        x = x + self.out(seen.transpose(1, 2).reshape(n, length, width))
        out: Tensor = x + self.narrow(functional.gelu(self.wide(self.between(x))))
        return out


class TransformerMember(nn.Module):
    """(N, L, D) steps -> (N, L) rewards and (N, L) weights; a `Scorer` of padded segments."""

    mean: Tensor
    std: Tensor

    def __init__(self, env: EnvInfo, options: TransformerOptions, generator: torch.Generator) -> None:
        super().__init__()
        self.options = options
        size, width = input_size(env), options.width
        self.states = int(np.prod(env.obs_shape))
        self.state = linear(self.states, width, generator)
        self.action = linear(size - self.states, width, generator)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, options.heads, generator) for _ in range(options.layers))
        self.last = nn.LayerNorm(width)
        self.query, self.key = linear(width, width, generator), linear(width, width, generator)
        self.value = linear(width, 1, generator)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Steps outside `mask` (N, L) are not looked at; their weight is zero."""
        normal = ((inputs - self.mean) / self.std).clamp(-10, 10)
        n, length, _ = normal.shape
        place = positions(length, self.options.width, inputs.device) if self.options.time else 0.0
        tokens = torch.stack(
            [self.state(normal[..., : self.states]) + place, self.action(normal[..., self.states :]) + place], dim=2
        )
        x = self.norm(tokens.reshape(n, 2 * length, -1))
        known = mask.repeat_interleave(2, dim=1)
        order = torch.ones(2 * length, 2 * length, dtype=torch.bool, device=x.device)
        earlier = order.tril() if self.options.causal else order
        itself = torch.eye(2 * length, dtype=torch.bool, device=x.device)  # a row that may see nothing would be NaN
        allowed = (earlier & known.unsqueeze(1)) | itself
        for block in self.blocks:
            x = block(x, allowed)
        seen = self.last(x)[:, 1::2]  # at each action: its state and all before it
        return self.value(seen).squeeze(-1), self._weights(seen, mask)

    def _weights(self, seen: Tensor, mask: Tensor) -> Tensor:
        """(N, L) how much each step counts: the mean over steps of a softmax of all steps."""
        share = mask / mask.sum(1, keepdim=True).clamp(min=1)
        if not self.options.weighted_sum:
            return share
        fit = self.query(seen) @ self.key(seen).transpose(1, 2) / math.sqrt(self.options.width)
        attention = torch.softmax(fit.masked_fill(~mask.unsqueeze(1), -torch.inf).nan_to_num(neginf=-1e9), dim=-1)
        return (attention * share.unsqueeze(-1)).sum(1) * mask

    def score(self, batch: SegmentBatch, index: Tensor, steps: Tensor, scale: Tensor) -> Scores:
        """Means over the chosen steps, whatever their `scale`: a mean needs none."""
        inputs, mask = batch.at(index, steps)
        b, k, length, size = inputs.shape
        reward, weight = self(inputs.reshape(b * k, length, size), mask.reshape(b * k, length))
        step = (reward * weight).reshape(b, k, length)
        return Scores(s=step.sum(-1), mask=index >= 0, step=step, step_mask=mask)


def positions(length: int, width: int, device: torch.device) -> Tensor:
    """(length, width) sines and cosines of the place in the clip (Vaswani et al. 2017)."""
    place = torch.arange(length, device=device).unsqueeze(1)
    rate = torch.exp(-math.log(10_000.0) * torch.arange(0, width, 2, device=device) / width)
    return torch.stack([torch.sin(place * rate), torch.cos(place * rate)], dim=-1).flatten(1)[:, :width]


class PreferenceTransformer:
    """`members` transformers. The reward of a step is its r_t as the last of the `context` steps up to it."""

    markov = False

    def __init__(self, options: TransformerOptions, context: BuildContext) -> None:
        self.version = 0
        self._options, self._env, self._device = options, context.env, torch.device(context.device)
        self._seed = int(context.rng("weights").integers(2**62))
        self._resets = 0
        self._recent: list[Tensor] = []
        self.members: list[TransformerMember] = []
        self.reset()
        self._scale = torch.ones(options.members, device=self._device)

    def reset(self) -> None:
        generator = torch.Generator().manual_seed(self._seed + self._resets)
        self._resets += 1
        fresh = [TransformerMember(self._env, self._options, generator) for _ in range(self._options.members)]
        for new, old in zip(fresh, self.members, strict=False):
            new.mean, new.std = old.mean, old.std
        self.members = [member.to(self._device) for member in fresh]

    def scorers(self) -> Sequence[TransformerMember]:
        return self.members

    def collate(self, items: Sequence[Item]) -> SegmentBatch:
        return collate_segments(items, self._env, self._device)

    def observe(self, episodes: Sequence[Episode]) -> None:
        """Statistics of inputs, and the steps that will set the output's scale."""
        if not episodes:
            return
        inputs = [episode_inputs([episode], self._env).to(self._device) for episode in episodes]
        std, mean = torch.std_mean(torch.cat(inputs), dim=0, correction=0)
        for member in self.members:
            member.mean, member.std = mean, std.clamp(min=1e-3)
        self._recent, steps = [], 0
        for one in reversed(inputs):
            if steps < SCALED:
                self._recent.insert(0, one)
                steps += len(one)

    def fitted(self) -> None:
        self.version += 1
        if self._recent:
            self._scale = self._raw(self._recent).std(dim=1, correction=0).clamp(min=1e-6)

    @torch.no_grad()
    def _raw(self, episodes: Sequence[Tensor]) -> Tensor:
        """(E, N) unscaled rewards of all steps of `episodes`."""
        each = [self._of_episode(inputs) for inputs in episodes]
        return torch.cat(each, dim=1) if each else torch.zeros(len(self.members), 0)

    def _of_episode(self, inputs: Tensor) -> Tensor:
        """(E, T): each step as the last of a window of `context` steps, shorter at the beginning."""
        context = self._options.context
        padded = torch.cat([inputs.new_zeros(context - 1, inputs.shape[1]), inputs])
        windows = padded.unfold(0, context, 1).transpose(1, 2)  # (T, context, D)
        there = torch.arange(context, device=inputs.device) >= context - 1 - torch.arange(
            len(inputs), device=inputs.device
        ).unsqueeze(1)
        rows = []
        for member in self.members:
            parts = [
                member(chunk, mask)[0][:, -1]
                for chunk, mask in zip(torch.split(windows, WINDOWS), torch.split(there, WINDOWS), strict=True)
            ]
            rows.append(torch.cat(parts))
        return torch.stack(rows)

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        raw = self._raw([episode_inputs([episode], self._env).to(self._device) for episode in episodes])
        normal = raw / self._scale.unsqueeze(-1)
        return {"reward": normal.mean(0).cpu().numpy(), "std": normal.std(0, correction=0).cpu().numpy()}

    @torch.no_grad()
    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        batch = self.collate(items)
        rows = []
        for member in self.members:
            parts = [
                (reward * weight).sum(-1)
                for inputs, mask in zip(
                    torch.split(batch.inputs, WINDOWS), torch.split(batch.mask, WINDOWS), strict=True
                )
                for reward, weight in [member(inputs, mask)]
            ]
            rows.append(torch.cat(parts))
        return np.asarray(torch.stack(rows).cpu().numpy())

    def state_dict(self) -> Mapping[str, Any]:
        return {
            "version": self.version,
            "resets": self._resets,
            "members": [member.state_dict() for member in self.members],
            "scale": self._scale,
            "recent": self._recent,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.version, self._resets = state["version"], state["resets"]
        for member, weights in zip(self.members, state["members"], strict=True):
            member.load_state_dict(weights)
        self._scale = state["scale"].to(self._device)
        self._recent = [one.to(self._device) for one in state["recent"]]
