"""Programs as features: recorded steps in, a weighted sum of what K programs say of them out; answers fit the K weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prefrl.errors import PluginError
from prefrl.losses import Scores
from prefrl.sandbox import ProgramFault
from prefrl.specs import BuildContext
from prefrl.types import Array, Channels, Episode, Item, Segment
from prefrl_icpl.options import BasisOptions
from prefrl_icpl.program import clip_of
from prefrl_icpl.programs import runners


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """N clips padded to the longest: `features` (N, H, K) float32, `mask` (N, H) bool, `lengths` (N,) int."""

    features: Tensor
    mask: Tensor
    lengths: Tensor


class Weights(nn.Module):
    """One number per program; equal at first, so that before any answer the reward is the programs' mean."""

    def __init__(self, programs: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((programs,), 1.0 / programs))

    def forward(self, features: Tensor) -> Tensor:
        return features @ self.weights

    def score(self, batch: Batch, index: Tensor, steps: Tensor, scale: Tensor) -> Scores:
        mask = (steps >= 0) & (index >= 0).unsqueeze(-1)
        chosen = batch.features[index.clamp(min=0).unsqueeze(-1), steps.clamp(min=0)]
        step = self(chosen) * mask * scale.unsqueeze(-1)
        return Scores(s=step.sum(-1), mask=index >= 0, step=step, step_mask=mask)


class Basis:
    """A linear reward over programs, each standardised once on the steps observed before the first fit.

    K weights are identified by about as many answers, where a network needs hundreds.
    """

    markov = True

    def __init__(self, options: BasisOptions, context: BuildContext) -> None:
        self.version = 0
        self._runners = runners(options, context.env, "reward.run")
        self._device = torch.device(context.device)
        self._mean = np.zeros(len(self._runners))
        self._std = np.ones(len(self._runners))
        self._seen = False
        self.reset()

    def reset(self) -> None:
        """Equal weights."""
        self.member = Weights(len(self._runners)).to(self._device)

    def scorers(self) -> Sequence[Weights]:
        return (self.member,)

    def observe(self, episodes: Sequence[Episode]) -> None:
        """The first steps seen set the programs' scales, which answers then refer to."""
        if episodes and not self._seen:
            raw = self._raw(episodes)
            self._mean, self._std = raw.mean(0), np.maximum(raw.std(0), 1e-6)
            self._seen = True

    def fitted(self) -> None:
        self.version += 1

    def _raw(self, recorded: Sequence[Episode | Segment]) -> Array:
        """(N, K) of all steps."""
        try:
            return np.stack([runner(recorded).reward for runner in self._runners], axis=1)
        except ProgramFault as fault:
            raise PluginError(f"reward.run: a program cannot be used: {fault}") from fault

    def _features(self, recorded: Sequence[Episode | Segment]) -> Tensor:
        standard = (self._raw(recorded) - self._mean) / self._std
        return torch.from_numpy(standard.astype(np.float32)).to(self._device)

    def collate(self, items: Sequence[Item]) -> Batch:
        clips = [clip_of(item) for item in items]
        lengths = torch.tensor([len(clip) for clip in clips])
        parts = torch.split(self._features(clips), lengths.tolist())
        mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(-1)
        padded = nn.utils.rnn.pad_sequence(list(parts), batch_first=True)
        return Batch(padded, mask.to(self._device), lengths.to(self._device))

    @torch.no_grad()
    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        reward = self.member(self._features(episodes))
        return {"reward": reward.cpu().numpy()}

    @torch.no_grad()
    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        batch = self.collate(items)
        return np.asarray((self.member(batch.features) * batch.mask).sum(-1, keepdim=True).T.cpu().numpy())

    def state_dict(self) -> Mapping[str, Any]:
        return {
            "version": self.version,
            "weights": self.member.state_dict(),
            "mean": self._mean,
            "std": self._std,
            "seen": self._seen,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.version, self._mean, self._std, self._seen = state["version"], state["mean"], state["std"], state["seen"]
        self.member.load_state_dict(state["weights"])
