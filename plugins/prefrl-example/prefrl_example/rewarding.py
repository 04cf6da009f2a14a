"""Recorded steps in, a reward that is linear in the observation out; prefrl fits its one weight vector to the answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from prefrl.losses import Scores
from prefrl.specs import BuildContext, NoOptions
from prefrl.types import Array, Channels, Episode, Item


@dataclass(frozen=True, eq=False)
class Batch:
    """N clips padded to the longest."""

    inputs: torch.Tensor  # (N, H, D)
    mask: torch.Tensor  # (N, H) bool
    lengths: torch.Tensor  # (N,)


class Linear:
    """reward = w . obs. One model is one scorer; an ensemble would have several."""

    markov = True  # a step's reward depends on that step alone

    def __init__(self, options: NoOptions, context: BuildContext) -> None:
        self.version = 0  # +1 per fit
        self._first = context.rng("weights").normal(scale=0.1, size=int(np.prod(context.env.obs_shape)))
        self.reset()

    def reset(self) -> None:
        """The weights of the beginning."""
        self._weights = torch.nn.Parameter(torch.tensor(self._first, dtype=torch.float32))

    def observe(self, episodes: Sequence[Episode]) -> None:
        """What was recorded last; one that standardises its inputs takes their statistics from it."""

    # --- what the learner sees ---

    @torch.no_grad()
    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        """(N,) over all steps of the episodes, one after the other."""
        return {"reward": (torch.cat([_rows(episode) for episode in episodes]) @ self._weights).numpy()}

    @torch.no_grad()
    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        """(1, N): one member."""
        return np.array([[float((_rows(item) @ self._weights).sum()) for item in items]])

    # --- what the trainer sees ---

    def collate(self, items: Sequence[Item]) -> Batch:
        """Clips of any lengths in one tensor."""
        rows = [_rows(item) for item in items]
        lengths = torch.tensor([len(row) for row in rows])
        inputs = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return Batch(inputs, torch.arange(inputs.shape[1]) < lengths[:, None], lengths)

    def scorers(self) -> Sequence["Linear"]:
        """What is fitted."""
        return (self,)

    def score(self, batch: Batch, index: torch.Tensor, steps: torch.Tensor, scale: torch.Tensor) -> Scores:
        """Sums over the chosen `steps` (B, K, L) of the clips `index` (B, K); -1 stands for none."""
        there = (steps >= 0) & (index >= 0).unsqueeze(-1)
        inputs = batch.inputs[index.clamp(min=0).unsqueeze(-1), steps.clamp(min=0)]
        step = inputs @ self._weights * there * scale.unsqueeze(-1)
        return Scores(step.sum(-1), index >= 0, step, there)

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """For the optimiser."""
        yield self._weights

    def fitted(self) -> None:
        """After each fit."""
        self.version += 1

    # --- what a checkpoint keeps ---

    def state_dict(self) -> Mapping[str, Any]:
        """All that the next step depends on."""
        return {"version": self.version, "weights": self._weights.detach()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.version = state["version"]
        with torch.no_grad():
            self._weights.copy_(state["weights"])


def _rows(recorded: Any) -> torch.Tensor:
    """(H, D) the observation of every step; the last one led to no action."""
    return torch.from_numpy(np.reshape(recorded.obs[:-1], (len(recorded), -1)).astype(np.float32))
