"""Recorded steps with named factors in, a reward that says what each factor is worth out, and a small rest.

With the factors that matter at hand, a reward is a few curves, and few answers tell them apart. The sum of one small
network per factor is a neural additive model (Agarwal et al. 2021, arXiv 2004.13912); the rest is a network of observation
and action that can correct it by `residual` per step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from prefrl.errors import ConfigError, choices
from prefrl.losses import Scores
from prefrl.rewards.batch import SegmentBatch, input_size
from prefrl.rewards.ensemble import Ensemble, Member, perceptron
from prefrl.rewards.options import FactorsOptions
from prefrl.types import EnvInfo

if TYPE_CHECKING:
    from prefrl.specs import BuildContext

STEEPEST = 0.01  # of a line at the start, in standard units: what nothing was said about is worth little


class FactorMember(Member):
    """One network: worth of F factors, each by itself, and the rest; inputs (..., D + F), the factors last."""

    def __init__(self, size: int, factors: int, options: FactorsOptions, generator: torch.Generator) -> None:
        super().__init__(size, options, generator)
        self._residual = options.residual
        self.slope = nn.Parameter(torch.empty(factors).uniform_(-STEEPEST, STEEPEST, generator=generator))
        widths = [1, *options.shape]
        many = factors if options.shape else 0
        self.curves = nn.ModuleList(perceptron(widths, "tanh", generator) for _ in range(many))
        for net in (
            *self.curves,
            self.net,
        ):  # nothing until answers say so: what is random outweighs what 20 answers say
            last = [layer for layer in cast(nn.Sequential, net) if isinstance(layer, nn.Linear)][-1]
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.register_buffer("mean", torch.zeros(size + factors))
        self.register_buffer("std", torch.ones(size + factors))

    def parts(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Worth of each factor (..., F) and the rest (...). A curve is a line and a bend, and goes on beyond the data."""
        normal = ((inputs - self.mean) / self.std).clamp(-10, 10)
        split = inputs.shape[-1] - len(self.slope)
        rest, factors = normal[..., :split], normal[..., split:]
        worth = self.slope * factors
        if len(self.curves):
            bends = [
                curve(factors[..., i : i + 1]) - curve(factors.new_zeros(1)) for i, curve in enumerate(self.curves)
            ]
            worth = worth + torch.cat(bends, -1)
        if not self._residual:
            return worth, worth.new_zeros(worth.shape[:-1])
        return worth, self._residual * self.net(rest).squeeze(-1)

    def forward(self, inputs: Tensor) -> Tensor:
        worth, rest = self.parts(inputs)
        return worth.sum(-1) + rest

    def score(self, batch: SegmentBatch, index: Tensor, steps: Tensor, scale: Tensor) -> Scores:
        inputs, mask = batch.at(index, steps)
        worth, rest = self.parts(inputs)
        counted = mask * scale.unsqueeze(-1)
        contributions = (worth * counted.unsqueeze(-1)).sum(-2)
        step = (worth.sum(-1) + rest) * counted
        aux = {"times": steps, "contributions": contributions}
        return Scores(s=step.sum(-1), mask=index >= 0, step=step, step_mask=mask, aux=aux)


class FactorReward(Ensemble):
    """An ensemble of such networks."""

    _options: FactorsOptions

    def __init__(self, options: FactorsOptions, context: BuildContext) -> None:
        self.factors = chosen(options, context.env, context.name)
        super().__init__(options, context)

    def _member(self, generator: torch.Generator) -> FactorMember:
        return FactorMember(input_size(self._env), len(self.factors), self._options, generator)


def chosen(options: FactorsOptions, env: EnvInfo, where: str) -> tuple[str, ...]:
    """The factors it may be made of; ConfigError where one is unknown, or gives the designed reward away without leave."""
    free = tuple(name for name, factor in env.factors.items() if not factor.privileged)
    for name in options.factors:
        if name not in env.factors:
            raise ConfigError(f"{where}.factors: {env.id} has no factor '{name}'. {choices(name, env.factors)}")
    hidden = [name for name in options.factors if env.factors[name].privileged]
    if hidden and not options.privileged:
        raise ConfigError(
            f"{where}.factors: {', '.join(hidden)} gives the designed reward of {env.id} away, which a robot does not have; "
            f"set privileged: true, and reports will say so, or take others: {', '.join(free) or 'there are none'}."
        )
    if options.privileged and not hidden:
        raise ConfigError(f"{where}.privileged: is set, but no chosen factor of {env.id} is privileged; leave it out.")
    if not (options.factors or free):
        raise ConfigError(
            f"{where}.factors: {env.id} has no factor that is not privileged; name some, or take ensemble."
        )
    return options.factors or free
