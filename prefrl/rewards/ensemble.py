"""An ensemble of MLPs of (observation, action): the reward model of Christiano et al. 2017 and PEBBLE."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from prefrl.losses import Scores
from prefrl.rewards.batch import SegmentBatch, collate_segments, episode_inputs, input_size
from prefrl.rewards.options import EnsembleOptions
from prefrl.types import Array, Channels, Episode, Item

if TYPE_CHECKING:
    from prefrl.specs import BuildContext

CHUNK = 1024  # rows per forward pass: larger batches leave the cache (2x slower, measured), smaller ones pay overhead
ACTIVATIONS = {"leaky_relu": nn.LeakyReLU, "relu": nn.ReLU, "tanh": nn.Tanh, "silu": nn.SiLU}


class Member(nn.Module):
    """One network: normalised inputs (..., D) to reward (...); a `Scorer` of padded segments."""

    mean: Tensor
    std: Tensor

    def __init__(self, size: int, options: EnsembleOptions, generator: torch.Generator) -> None:
        super().__init__()
        widths = [size, *options.hidden]
        self.net = perceptron(widths, options.activation, generator)
        if options.output == "tanh":
            self.net.append(nn.Tanh())
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def normal(self, inputs: Tensor) -> Tensor:
        """By the statistics of what was observed."""
        return ((inputs - self.mean) / self.std).clamp(-10, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.net(self.normal(inputs))
        return out.squeeze(-1)

    def score(self, batch: SegmentBatch, index: Tensor, steps: Tensor, scale: Tensor) -> Scores:
        inputs, mask = batch.at(index, steps)
        step = self(inputs) * mask * scale.unsqueeze(-1)
        return Scores(s=step.sum(-1), mask=index >= 0, step=step, step_mask=mask, aux={"times": steps})


def perceptron(widths: Sequence[int], activation: str, generator: torch.Generator, outputs: int = 1) -> nn.Sequential:
    """From widths[0] inputs by way of the others to `outputs`."""
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [linear(a, b, generator), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers, linear(widths[-1], outputs, generator))


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """PyTorch's default initialisation from a generator of our own, so that no global state decides a reward."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    bound = inputs**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


class Ensemble:
    """`members` networks that differ by initialisation and by the order of their batches.

    Channels: "reward", the mean over members, each divided by its own standard deviation over recently observed steps
    (so that members weigh alike and the learner sees one scale whatever the loss), and "std" over members.
    """

    markov = True
    factors: Sequence[str] = ()  # read beside observation and action, last of the inputs

    def __init__(self, options: EnsembleOptions, context: BuildContext) -> None:
        self.version = 0
        self._options, self._env, self._device = options, context.env, torch.device(context.device)
        self._seed = int(context.rng("weights").integers(2**62))
        self._recent: Tensor | None = None  # inputs of the steps observed last
        self._resets = 0
        self.members: list[Member] = []
        self.reset()
        self._offset = torch.zeros(options.members, device=self._device)
        self._scale = torch.ones(options.members, device=self._device)

    def reset(self) -> None:
        """Fresh weights; input statistics are kept."""
        generator = torch.Generator().manual_seed(self._seed + self._resets)
        self._resets += 1
        fresh = [self._member(generator) for _ in range(self._options.members)]
        for new, old in zip(fresh, self.members, strict=False):
            new.mean, new.std = old.mean, old.std
        self.members = [member.to(self._device) for member in fresh]

    def _member(self, generator: torch.Generator) -> Member:
        return Member(input_size(self._env), self._options, generator)

    def scorers(self) -> Sequence[Member]:
        return self.members

    def collate(self, items: Sequence[Item]) -> SegmentBatch:
        return collate_segments(items, self._env, self._device, self.factors)

    def observe(self, episodes: Sequence[Episode]) -> None:
        """Keep the inputs of recent steps; they set the input statistics and, after a fit, the output scale."""
        if not episodes:
            return
        self._recent = episode_inputs(episodes, self._env, self.factors).to(self._device)
        std, mean = torch.std_mean(self._recent, dim=0, correction=0)
        for member in self.members:
            member.mean, member.std = mean, std.clamp(min=1e-3)

    def fitted(self) -> None:
        self.version += 1
        if self._recent is not None:
            std, mean = torch.std_mean(self._raw(self._recent), dim=1, correction=0)
            self._offset, self._scale = mean * self._options.center, std.clamp(min=1e-6)

    @torch.no_grad()
    def _raw(self, inputs: Tensor) -> Tensor:
        """(E, N) unnormalised rewards, in chunks."""
        chunks = torch.split(inputs, CHUNK)
        return torch.stack([torch.cat([member(chunk) for chunk in chunks]) for member in self.members])

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        raw = self._raw(episode_inputs(episodes, self._env, self.factors).to(self._device))
        normal = (raw - self._offset.unsqueeze(-1)) / self._scale.unsqueeze(-1)
        return {"reward": normal.mean(0).cpu().numpy(), "std": normal.std(0, correction=0).cpu().numpy()}

    @torch.no_grad()
    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        batch = self.collate(items)
        raw = self._raw(batch.inputs.flatten(0, 1)).reshape(-1, *batch.mask.shape)
        return np.asarray((raw * batch.mask).sum(-1).cpu().numpy())

    def state_dict(self) -> Mapping[str, Any]:
        return {
            "version": self.version,
            "resets": self._resets,
            "members": [member.state_dict() for member in self.members],
            "offset": self._offset,
            "scale": self._scale,
            "recent": self._recent,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.version, self._resets = state["version"], state["resets"]
        for member, weights in zip(self.members, state["members"], strict=True):
            member.load_state_dict(weights)
        self._offset, self._scale = state["offset"].to(self._device), state["scale"].to(self._device)
        self._recent = None if state["recent"] is None else state["recent"].to(self._device)
