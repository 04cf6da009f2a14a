"""Clips in, a policy's log-probabilities of what was done in them out: the policy itself is what answers are fitted to.

Under the regret model of preference a clip is good by its sum of advantages, and the advantage of a maximum-entropy
policy is alpha log pi(a|s): no reward is needed in between (CPL; Hejna et al. 2024, arXiv 2310.13639, section 3).
Actions are those that were executed, mapped through the policy's own scale, so that data of any algorithm serve any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from prefrl.errors import ConfigError
from prefrl.losses import Scores
from prefrl.rewards.batch import clip_of
from prefrl.rewards.options import PolicyOptions
from prefrl.types import Array, Channels, Episode, Item

if TYPE_CHECKING:
    from prefrl.specs import BuildContext

CHUNK = 4096  # steps per forward pass without a graph


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """N clips, their steps one after the other: `inputs` and `actions` as the policy takes them, `reference` (S,)."""

    inputs: Any  # (S, ...) or one such tensor per entry of a Dict
    actions: Tensor  # (S, *action_shape)
    reference: Tensor  # (S,) log-probabilities under the reference
    start: Tensor  # (N,) where each clip begins
    lengths: Tensor  # (N,)

    @property
    def mask(self) -> Tensor:
        """(N, H) bool: the steps that exist."""
        return torch.arange(int(self.lengths.max()), device=self.lengths.device) < self.lengths.unsqueeze(-1)


class PolicyScorer:
    """A control policy as what the trainer fits: raw scores are sums of log-probabilities over chosen steps."""

    def __init__(self, policy: Any, options: PolicyOptions) -> None:
        self._policy, self._options = policy, options

    def parameters(self) -> Iterable[nn.Parameter]:
        weights: Iterable[nn.Parameter] = self._policy.network.parameters()
        return weights

    def log_prob(self, inputs: Any, actions: Tensor) -> Tensor:
        """(S,) log-density of each action, or minus its squared distance to the policy's own."""
        if self._options.log_prob == "density":
            density: Tensor = self._policy.log_density(inputs, actions)
            return density
        squared: Tensor = (self._policy.mode(inputs) - actions).square().flatten(1).sum(1)
        return -squared

    def score(self, batch: Clips, index: Tensor, steps: Tensor, scale: Tensor) -> Scores:
        there = index >= 0
        inside = (steps >= 0) & there.unsqueeze(-1)
        rows = (batch.start[index.clamp(min=0)].unsqueeze(-1) + steps.clamp(min=0))[inside]
        counted = inside * scale.unsqueeze(-1)

        def spread(values: Tensor) -> Tensor:
            return torch.zeros(inside.shape, device=values.device).masked_scatter(inside, values.float()) * counted

        step = spread(self.log_prob(_at(batch.inputs, rows), batch.actions[rows]))
        s = step.sum(-1)
        aux = {"length": counted.sum(-1), "ref_logp": spread(batch.reference[rows]).sum(-1), "nll": -s}
        return Scores(s=s, mask=there, step=step, step_mask=inside, aux=aux)


class ByPolicy:
    """The reward model that is the policy in training. Channel "reward": log-probability of each executed action."""

    markov = True

    def __init__(self, options: PolicyOptions, context: BuildContext) -> None:
        if options.log_prob == "distance" and context.env.discrete_actions is not None:
            raise ConfigError(
                f"reward.log_prob: 'distance' is between continuous actions, and those of {context.env.id} are discrete; "
                "use density."
            )
        self.version = 0
        self._options = options
        self._policy: Any = None
        self._reference: Any = None

    def adopt(self, policy: Any) -> None:
        """Score by `policy` from now on; what it is now is the reference, and what a reset returns to."""
        self._policy, self._reference = policy, policy.frozen()

    def _scorer(self, policy: Any) -> PolicyScorer:
        if policy is None:
            raise ConfigError(
                "reward.model: 'policy' is the policy that learns, and pays it no reward: set procedure: {name: offline}, "
                "or take a reward model such as ensemble."
            )
        return PolicyScorer(policy, self._options)

    def scorers(self) -> Sequence[PolicyScorer]:
        return () if self._policy is None else (self._scorer(self._policy),)

    def collate(self, items: Sequence[Item]) -> Clips:
        clips = [clip_of(item) for item in items]
        lengths = [len(clip) for clip in clips]
        reference = self._scorer(self._reference)
        obs = np.concatenate([clip.obs[:-1] for clip in clips])
        actions = self._policy.own_actions(np.concatenate([clip.action for clip in clips]))
        inputs = self._policy.inputs(obs)
        start, ends = (
            torch.as_tensor(each, device=actions.device) for each in (np.cumsum([0, *lengths[:-1]]), lengths)
        )
        return Clips(inputs, actions, self._logs(reference, inputs, actions), start, ends)

    @torch.no_grad()
    def _logs(self, scorer: PolicyScorer, inputs: Any, actions: Tensor) -> Tensor:
        """(S,) log-probabilities, in chunks."""
        rows = torch.split(torch.arange(len(actions), device=actions.device), CHUNK)
        return torch.cat([scorer.log_prob(_at(inputs, some), actions[some]).float() for some in rows])

    def observe(self, episodes: Sequence[Episode]) -> None:
        """Normalise observations as those of `episodes` are spread."""
        if episodes and self._policy is not None:
            self._policy.observe(np.concatenate([episode.obs[:-1] for episode in episodes]))

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        scorer = self._scorer(self._policy)
        inputs = self._policy.inputs(np.concatenate([np.asarray(episode.obs[:-1]) for episode in episodes]))
        actions = self._policy.own_actions(np.concatenate([np.asarray(episode.action) for episode in episodes]))
        return {"reward": self._logs(scorer, inputs, actions).cpu().numpy()}

    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        clips = [clip_of(item) for item in items]
        episodes = [Episode(clip.id, clip.obs, clip.action) for clip in clips]
        steps = np.asarray(self.rewards(episodes)["reward"])
        return np.add.reduceat(steps, np.cumsum([0, *map(len, clips[:-1])]))[None]

    def reset(self) -> None:
        """Back to the reference."""
        if self._policy is not None:
            self._policy.load_state_dict(self._reference.state_dict())

    def fitted(self) -> None:
        self.version += 1

    def state_dict(self) -> Mapping[str, Any]:
        return {
            "version": self.version,
            "reference": None if self._reference is None else self._reference.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.version = state["version"]
        if self._reference is not None:
            self._reference.load_state_dict(state["reference"])


def _at(inputs: Any, rows: Tensor) -> Any:
    return {key: each[rows] for key, each in inputs.items()} if isinstance(inputs, dict) else inputs[rows]
