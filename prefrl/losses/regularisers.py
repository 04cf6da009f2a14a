"""Regularisers: terms on scores that need no opponent; each is also a loss by its own name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from prefrl.errors import ConfigError
from prefrl.losses import parts
from prefrl.losses.labels import LISTS, Kind, Labels, relevance
from prefrl.losses.links import LARGEST_EXPONENT
from prefrl.losses.loss import LossOut, PrefLoss
from prefrl.losses.metrics import MetricBag
from prefrl.losses.part import Part, PartOptions
from prefrl.losses.scores import Scores


class Regulariser(PrefLoss):
    """A value per query (B,), averaged with the queries' weights; reads raw scores."""

    kinds = frozenset(Kind)

    def __init__(self, options: PartOptions) -> None:
        super().__init__()
        self.requires = options.requires()

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        """(B,) value of each query."""
        raise NotImplementedError

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        weight = labels.weights(scores.s)

        def measure(bag: MetricBag) -> None:
            """A term says nothing beyond its value, which is reported as it is."""

        return self.reduced(self.value(scores, labels) * weight, weight, measure)


class Center(Regulariser):
    """(2 mean_k s)^2, at K = 2 TRL's (s_0 + s_1)^2 (Eisenstein et al. 2023)."""

    name = "center"

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        return (2 * _mean(scores.s, scores.mask)).square()


class Nll(Regulariser):
    """Negative log-likelihood of the preferred item, ties shared between the best."""

    name = "nll"
    kinds = LISTS

    def __init__(self, options: parts.Nll) -> None:
        super().__init__(options)
        self.per_step = options.norm == "mean"

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        nll = scores.aux["nll"]
        if self.per_step:
            nll = nll / scores.aux["length"].clamp_min(1)
        return (nll.masked_fill(~scores.mask, 0.0) * preferred(labels, scores)).sum(1)


class BehaviourCloning(Regulariser):
    """-s / length of all items or of the preferred ones (CPL's BC term)."""

    name = "bc"
    kinds = LISTS

    def __init__(self, options: parts.BehaviourCloning) -> None:
        super().__init__(options)
        self.preferred_only = options.items == "preferred"

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        cost = -scores.s / scores.aux["length"].clamp_min(1)
        return (cost * preferred(labels, scores)).sum(1) if self.preferred_only else _mean(cost, scores.mask)


class Optimism(Regulariser):
    """The log-ratio of a response drawn from the reference (SELM, Zhang et al. 2024; XPO, Xie et al. 2024)."""

    name = "optimism"

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        return scores.aux["resp_logratio"]


class KlReference(Regulariser):
    """e^-u - 1 + u, never negative, with mean KL(policy, reference) on the policy's own samples."""

    name = "kl_ref"

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        u = (scores.s - scores.aux["ref_logp"]).masked_fill(~scores.mask, 0.0)
        return _mean((-u).clamp_max(LARGEST_EXPONENT).exp() - 1 + u, scores.mask)


class Rationale(Regulariser):
    """Negative log-likelihood per step of the reason that was given."""

    name = "rationale"

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        return scores.aux["rationale_nll"]


class Contrastive(Regulariser):
    """-log e^(sim_ii / t) / sum_j e^(sim_ij / t) over all items of the batch (InfoNCE; SimCSE, Gao et al. 2021)."""

    name = "contrastive"

    def __init__(self, options: parts.Contrastive) -> None:
        super().__init__(options)
        self.temperature = options.temperature

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        real = scores.mask.flatten()
        one, other = (scores.aux[key].flatten(0, 1) for key in ("embed", "embed_view"))
        similar = cosine_similarity(one.unsqueeze(1), other.unsqueeze(0), dim=2) / self.temperature
        every = similar.masked_fill(~real, -torch.inf).masked_fill(~real.unsqueeze(1), 0.0).logsumexp(1)
        return _mean((every - similar.diagonal()).view_as(scores.s), scores.mask)


class LatentKl(Regulariser):
    """KL(N(mu, e^logvar), N(0, 1)) summed over dimensions, meaned over users (VPL, Poddar et al. 2024)."""

    name = "vae_kl"

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        mu, logvar = scores.aux["latent_mu"], scores.aux["latent_logvar"]
        divergence = (logvar.exp() + mu.square() - 1 - logvar).sum(-1).mean() / 2
        return divergence.expand(len(scores.s))


class StepSquare(Regulariser):
    """Mean square of what each step added."""

    name = "reward_l2"

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        step, real = _steps(scores, self.name)
        return (step.square() * real).sum((1, 2)) / real.sum((1, 2)).clamp_min(1)


class StepSmoothness(Regulariser):
    """Mean square of the change between consecutive steps."""

    name = "temporal_smooth"

    def value(self, scores: Scores, labels: Labels) -> Tensor:
        step, real = _steps(scores, self.name)
        both = real[:, :, 1:] * real[:, :, :-1]
        return ((step.diff(dim=2)).square() * both).sum((1, 2)) / both.sum((1, 2)).clamp_min(1)


def preferred(labels: Labels, scores: Scores) -> Tensor:
    """(B, K) shares of "the preferred item": p and 1 - p of a pair, equal among the best of a list."""
    good, known = relevance(labels, scores.mask)
    if labels.kind is Kind.PAIR:
        return good.to(scores.s)
    top = good.masked_fill(~known, -torch.inf)
    best = (known & (top == top.amax(1, keepdim=True))).to(scores.s)
    return best / best.sum(1, keepdim=True).clamp_min(1)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """(B,) mean over the items that exist."""
    return values.masked_fill(~mask, 0.0).sum(1) / mask.sum(1).clamp_min(1)


def _steps(scores: Scores, name: str) -> tuple[Tensor, Tensor]:
    """Steps and which of them are real, (B, K, T) each."""
    if scores.step is None:
        raise ConfigError(f"loss '{name}' needs what each step added, and this scorer gives sums only: leave it out")
    real = scores.mask.unsqueeze(2).expand_as(scores.step)
    real = real if scores.step_mask is None else real & scores.step_mask
    return scores.step.masked_fill(~real, 0.0), real.to(scores.s)


BUILD: Mapping[str, Callable[[Any], Regulariser]] = {
    "center": Center, "nll": Nll, "bc": BehaviourCloning, "optimism": Optimism, "kl_ref": KlReference,
    "rationale": Rationale, "contrastive": Contrastive, "vae_kl": LatentKl, "reward_l2": StepSquare,
    "temporal_smooth": StepSmoothness,
}  # fmt: skip
_NAMES = {model: name for name, model in parts.REGULARISERS.items()}


def build_regulariser(part: Part) -> Regulariser:
    """The regulariser that `part` names."""
    return BUILD[part.name](part.options)


def build(options: PartOptions) -> Regulariser:
    """The regulariser that has these options."""
    return BUILD[_NAMES[type(options)]](options)
