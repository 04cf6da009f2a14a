"""Answers about pairs and every member's scores in; distrusted answers without weight and improbable ones turned round out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from prefrl.errors import ConfigError
from prefrl.filters.options import RimeOptions
from prefrl.losses import Kind, Labels, Scores
from prefrl.specs import BuildContext, FilterContext

RATE = 0.1  # of the moving averages
MOST_VARIANCE = 3.0  # what the variance adds to the threshold at most
TINY = 1e-8  # keeps the first threshold, before anything is known, finite: -ln(1e-8) = 18.4 trusts everything


class Rime:
    """Cheng et al. 2024, section 4.1, as in its code: the cost of an answer is its cross-entropy under the mean member.

    Trusted: cost < -ln(rho) + alpha * rho + min(beta_t * v, 3), where rho follows the largest trusted cost and v is the
    variance of trusted costs. Turned round for this look: cost > -ln(flip). Everything else has no weight.
    """

    def __init__(self, options: RimeOptions, context: BuildContext) -> None:
        self._options = options
        self.looks = 0
        self.largest = self.mean = 0.0
        self.variance, self._count = 1.0, 0

    @property
    def beta(self) -> float:
        """Falls from beta to beta_min in a straight line."""
        o = self._options
        return max(o.beta_min, o.beta - (o.beta - o.beta_min) / o.looks * self.looks)

    @property
    def trusted_below(self) -> float:
        """Answers that cost less are trusted."""
        rho = self.largest
        return -math.log(rho + TINY) + self._options.alpha * rho + min(self.beta * self.variance, MOST_VARIANCE)

    @property
    def flipped_above(self) -> float:
        """Answers that cost more are turned round."""
        return -math.log(self._options.flip) if self._options.flip else math.inf

    def apply(self, labels: Labels, context: FilterContext) -> Labels:
        if labels.kind is not Kind.PAIR or labels.pref is None:
            raise ConfigError(
                f"reward.filters: rime judges answers about pairs, and these are of kind '{labels.kind}'; ask about two clips "
                f"(feedback.items: 2) or take it out."
            )
        cost = costs(labels, context)
        trusted, flipped = cost < self.trusted_below, cost > self.flipped_above
        weight = labels.weights(labels.pref)
        self._learn(cost[trusted & context.training & (weight > 0)])
        self.looks += 1
        return turned(replace(labels, weight=weight * (trusted | flipped)), flipped)

    def _learn(self, trusted: Tensor) -> None:
        """Take in the costs (n,) of answers trusted this time."""
        n = len(trusted)
        if not n:
            return
        apart = float(trusted.mean()) - self.mean
        total = self._count + n
        squares = (
            self.variance * self._count + float(trusted.var(correction=0)) * n + apart**2 * self._count * n / total
        )
        self.variance, self._count = squares / total, total
        self.mean += RATE * apart
        self.largest += RATE * (float(trusted.max()) - self.largest)

    def state_dict(self) -> Mapping[str, Any]:
        return {
            "looks": self.looks, "largest": self.largest, "mean": self.mean, "variance": self.variance, "count": self._count,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.looks, self.largest, self.mean = state["looks"], state["largest"], state["mean"]
        self.variance, self._count = state["variance"], state["count"]


def costs(labels: Labels, context: FilterContext) -> Tensor:
    """(B,) cross-entropy of each answer under the mean of the members' probabilities."""
    assert labels.pref is not None
    mask = torch.ones_like(context.scores[0], dtype=torch.bool)
    each = [context.loss.probabilities(Scores(s=s, mask=mask), labels) for s in context.scores]
    if any(known is None for known in each):
        raise ConfigError(
            f"reward.filters: rime needs a loss that models probabilities, and '{context.loss.name}' does not; "
            f"use bradley_terry with its logistic link, or take the filter out."
        )
    p = torch.stack([known[0].double() for known in each if known is not None]).mean(0).clamp(1e-12, 1 - 1e-12)
    target = labels.pref.double()
    return -(target * p.log() + (1 - target) * (1 - p).log())


def turned(labels: Labels, rows: Tensor) -> Labels:
    """`labels` of pairs with those at `rows` (B,) bool the other way round."""
    assert labels.pref is not None
    pref = torch.where(rows, 1 - labels.pref, labels.pref)
    outcome = labels.outcome
    if outcome is not None:
        outcome = torch.where(rows.unsqueeze(1), outcome[:, [1, 0, 2]], outcome)
    return replace(labels, pref=pref, outcome=outcome)
