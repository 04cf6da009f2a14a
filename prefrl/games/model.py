"""Two clips in, the probability that the first is preferred out: a preference model that may go round in circles.

logit(i, j) = (s_i - s_j) + v_i . R v_j with R skew-symmetric: a score, and what no score explains (Zhang et al. 2024,
arXiv 2410.02197, general preference embeddings). Swapping the clips turns the sign, so that P(i, j) + P(j, i) = 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from prefrl.losses import Scores
from prefrl.rewards.batch import SegmentBatch, collate_segments, episode_inputs, input_size
from prefrl.rewards.options import PairwiseOptions
from prefrl.types import Array, Channels, Episode, Item

if TYPE_CHECKING:
    from prefrl.specs import BuildContext


class PairwiseNet(nn.Module):
    """Embeds a clip as the mean of its steps' embeddings; a `Scorer` whose comparisons are `aux["pref_logit"]`."""

    mean: Tensor
    std: Tensor

    def __init__(self, size: int, options: PairwiseOptions) -> None:
        super().__init__()
        widths = [size, *options.hidden]
        layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.Tanh())]
        self.body = nn.Sequential(*layers)
        self.score_head = nn.Linear(widths[-1], 1, bias=False)
        self.embed_head = nn.Linear(widths[-1], 2 * options.planes, bias=False)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def forward(self, inputs: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (...) and embeddings (..., 2P) of clips whose steps (..., L, D) count by `weight` (..., L)."""
        hidden = self.body(((inputs - self.mean) / self.std).clamp(-10, 10))
        pooled = (hidden * weight.unsqueeze(-1)).sum(-2) / weight.sum(-1, keepdim=True).clamp(min=1e-6)
        return self.score_head(pooled).squeeze(-1), self.embed_head(pooled)

    def logits(self, s: Tensor, v: Tensor) -> Tensor:
        """(..., K, K) logit of each of K clips beating each other, from (..., K) and (..., K, 2P)."""
        a, b = v.chunk(2, dim=-1)
        around = a @ b.transpose(-1, -2)
        return s.unsqueeze(-1) - s.unsqueeze(-2) + around - around.transpose(-1, -2)

    def score(self, batch: SegmentBatch, index: Tensor, steps: Tensor, scale: Tensor) -> Scores:
        inputs, inside = batch.at(index, steps)
        s, v = self(inputs, inside.to(inputs))
        return Scores(s=s, mask=index >= 0, aux={"pref_logit": self.logits(s, v)})


class PairwiseModel:
    """The preference model as what is fitted. It pays no reward per step (its channel is NaN): play a game on it."""

    markov = False

    def __init__(self, options: PairwiseOptions, context: BuildContext) -> None:
        self.version = 0
        self._options, self._env, self._device = options, context.env, torch.device(context.device)
        self._seed = int(context.rng("weights").integers(2**62))
        self.reset()

    def reset(self) -> None:
        """Fresh weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            self.net = PairwiseNet(input_size(self._env), self._options).to(self._device)

    def scorers(self) -> Sequence[PairwiseNet]:
        return (self.net,)

    def collate(self, items: Sequence[Item]) -> SegmentBatch:
        return collate_segments(items, self._env, self._device)

    def observe(self, episodes: Sequence[Episode]) -> None:
        """Normalise inputs as those of `episodes` are spread."""
        if episodes:
            std, mean = torch.std_mean(episode_inputs(episodes, self._env), dim=0, correction=0)
            self.net.mean, self.net.std = mean.to(self._device), std.clamp(min=1e-3).to(self._device)

    def fitted(self) -> None:
        self.version += 1

    @torch.no_grad()
    def wins(self, items: Sequence[Item]) -> Array:
        """(N, N) probability that the row's clip is preferred to the column's."""
        batch = self.collate(items)
        s, v = self.net(batch.inputs, batch.mask.to(batch.inputs))
        return np.asarray(torch.sigmoid(self.net.logits(s, v)).cpu().numpy(), np.float64)

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        return {"reward": np.full(sum(map(len, episodes)), np.nan)}

    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        """(1, N) mean probability of beating the others."""
        return np.asarray(self.wins(items).mean(1)[None])

    def state_dict(self) -> Mapping[str, Any]:
        return {"version": self.version, "net": self.net.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.version = state["version"]
        self.net.load_state_dict(state["net"])
