"""An ensemble on encoders that know the dynamics: each learns from all that was recorded what a step leads to, labels or not.

REED (Metcalf et al. 2024, arXiv 2402.17975): before each fit the encoder of (state, action) learns to predict the embedding of
the next state; the reward is a head on it. Here the recorded steps are those of the reward model's statistics, the last 10,000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from prefrl.rewards.batch import input_size
from prefrl.rewards.ensemble import ACTIVATIONS, Ensemble, Member, linear
from prefrl.rewards.options import DynamicsOptions
from prefrl.types import Array, EnvInfo, Episode

if TYPE_CHECKING:
    from prefrl.specs import BuildContext


class EncodedMember(Member):
    """State and action embeddings -> joint encoder -> reward head; a predictor of the next state's embedding beside it."""

    def __init__(self, env: EnvInfo, options: DynamicsOptions, generator: torch.Generator) -> None:
        nn.Module.__init__(self)
        size = input_size(env)
        self.states = int(np.prod(env.obs_shape))
        self.state = linear(self.states, options.state, generator)
        self.action = linear(size - self.states, options.action, generator)
        layers: list[nn.Module] = []
        width = options.state + options.action
        for wide in options.hidden:
            layers += [linear(width, wide, generator), ACTIVATIONS[options.activation]()]
            width = wide
        self.joint = nn.Sequential(*layers)
        self.head = linear(width, 1, generator)
        self.predict = linear(width, options.state, generator)
        self.bounded = options.output == "tanh"
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def encoded(self, normal: Tensor) -> Tensor:
        """(..., D) normalised inputs -> (..., width) what is known of the step."""
        state, action = normal[..., : self.states], normal[..., self.states :]
        parts = [functional.leaky_relu(self.state(state)), functional.leaky_relu(self.action(action))]
        out: Tensor = self.joint(torch.cat(parts, dim=-1))
        return out

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.head(self.encoded(self.normal(inputs))).squeeze(-1)
        return torch.tanh(out) if self.bounded else out

    def consistency(self, inputs: Tensor, following: Tensor, temperature: float | None) -> Tensor:
        """How badly (B, D) steps tell the embeddings of (B, S) next states, which are not changed for it.

        Minus the cosine (distillation), or with a temperature InfoNCE: which of the batch's next states is its own.
        """
        normal = self.normal(inputs)
        predicted = functional.normalize(self.predict(self.encoded(normal)), dim=-1)
        states = ((following - self.mean[: self.states]) / self.std[: self.states]).clamp(-10, 10)
        target = functional.normalize(functional.leaky_relu(self.state(states)).detach(), dim=-1)
        if temperature is None:
            return -(predicted * target).sum(-1).mean()
        return functional.cross_entropy(
            predicted @ target.T / temperature, torch.arange(len(inputs), device=inputs.device)
        )


class Dynamics(Ensemble):
    """The ensemble of `EncodedMember`s; what it observes it also learns its encoders from."""

    _options: DynamicsOptions

    def __init__(self, options: DynamicsOptions, context: BuildContext) -> None:
        super().__init__(options, context)
        self.losses: list[float] = []  # of the last encoder updates, first member

    def _member(self, generator: torch.Generator) -> Member:
        return EncodedMember(self._env, self._options, generator)

    def observe(self, episodes: Sequence[Episode]) -> None:
        super().observe(episodes)
        if episodes and self._recent is not None:
            following = np.concatenate([_flat(episode.obs[1:]) for episode in episodes])
            self._learn(self._recent, torch.from_numpy(following).to(self._device))

    def _learn(self, inputs: Tensor, following: Tensor) -> None:
        options = self._options
        temperature = options.temperature if options.objective == "contrastive" else None
        generator = torch.Generator().manual_seed(
            self._seed + 7919 * (self.version + 1)
        )  # the same when a run is resumed
        for number, member in enumerate(self.members):
            assert isinstance(member, EncodedMember)
            optimizer = torch.optim.Adam(member.parameters(), lr=options.learning_rate)
            losses = []
            for _ in range(options.updates):
                rows = torch.randint(len(inputs), (options.batch_size,), generator=generator).to(inputs.device)
                loss = member.consistency(inputs[rows], following[rows], temperature)
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                optimizer.step()
                losses.append(float(loss.detach()))
            self.losses = losses if number == 0 else self.losses

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.losses = []


def _flat(obs: Array) -> Array:
    return np.asarray(obs, np.float32).reshape(len(obs), -1)
