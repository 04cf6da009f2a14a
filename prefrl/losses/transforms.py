"""Transforms: raw scores in, the scores that are compared out; the only place of scale, reference and length."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from prefrl.errors import ConfigError
from prefrl.losses import parts
from prefrl.losses.labels import Labels
from prefrl.losses.links import LARGEST_EXPONENT
from prefrl.losses.part import Part
from prefrl.losses.scores import Scores


class Transform(nn.Module):
    """Built from its options; changes `Scores.s` (B, K) and nothing else."""

    def forward(self, scores: Scores, labels: Labels) -> Scores:
        return scores.with_scores(self.moved(scores))

    def moved(self, scores: Scores) -> Tensor:
        """The new scores (B, K); entries without an item may hold anything finite."""
        raise NotImplementedError

    def clamped(self, scores: Scores) -> Tensor | None:
        """(B, K) bool: where it cuts the given scores; None if it never does."""
        return None


class Temperature(Transform):
    """s / tau."""

    def __init__(self, options: parts.Temperature) -> None:
        super().__init__()
        self.log_tau = nn.Parameter(
            torch.tensor(math.log(options.tau), dtype=torch.float64), requires_grad=options.learn
        )

    def moved(self, scores: Scores) -> Tensor:
        return scores.s * (-self.log_tau).exp().to(scores.s)


class Scale(Transform):
    """alpha * s."""

    def __init__(self, options: parts.Scale) -> None:
        super().__init__()
        self.alpha = options.alpha

    def moved(self, scores: Scores) -> Tensor:
        return self.alpha * scores.s


class LogRatio(Transform):
    """beta (s - ref_logp), summed or per step (DPO, Rafailov et al. 2023, eq. 7)."""

    def __init__(self, options: parts.LogRatio) -> None:
        super().__init__()
        self.beta, self.mean = options.beta, options.norm == "mean"

    def moved(self, scores: Scores) -> Tensor:
        ratio = scores.s - scores.aux["ref_logp"]
        return self.beta * (ratio / _length(scores) if self.mean else ratio)


class AverageLogp(Transform):
    """beta s / length (SimPO, Meng et al. 2024, eq. 4)."""

    def __init__(self, options: parts.AverageLogp) -> None:
        super().__init__()
        self.beta = options.beta

    def moved(self, scores: Scores) -> Tensor:
        return self.beta * scores.s / _length(scores)


class LogOdds(Transform):
    """a - log(1 - e^a) of the mean log-probability a (ORPO, Hong et al. 2024, eq. 4)."""

    def __init__(self, options: parts.LogOdds) -> None:
        super().__init__()

    def moved(self, scores: Scores) -> Tensor:
        mean = (scores.s / _length(scores)).clamp_max(-1e-6)
        return mean - log1mexp(mean)


class FDivergence(Transform):
    """g(u): reverse KL u, forward KL -e^-u, Jensen-Shannon log sigmoid(u), alpha e^((a-1)u)/(a-1) (f-DPO, Wang et al. 2023)."""

    def __init__(self, options: parts.FDivergence) -> None:
        super().__init__()
        self.divergence, self.alpha = options.divergence, options.alpha

    def moved(self, scores: Scores) -> Tensor:
        u = scores.s
        match self.divergence:
            case "reverse_kl":
                return u
            case "jensen_shannon":
                return logsigmoid(u)
            case "forward_kl":
                return -self._exponent(scores).exp()
            case _:
                return self._exponent(scores).exp() / (self.alpha - 1)

    def _exponent(self, scores: Scores) -> Tensor:
        rate = 1.0 if self.divergence == "forward_kl" else 1 - self.alpha
        return (-rate * scores.s).clamp_max(LARGEST_EXPONENT)

    def clamped(self, scores: Scores) -> Tensor | None:
        if self.divergence not in ("forward_kl", "alpha"):
            return None
        return self._exponent(scores) >= LARGEST_EXPONENT


class OtherObjectives(Transform):
    """(s - w_1: . others) / w_0 (MODPO, Zhou et al. 2023, eq. 10); the other objectives' rewards are detached."""

    def __init__(self, options: parts.OtherObjectives) -> None:
        super().__init__()
        self.weights = options.weights

    def moved(self, scores: Scores) -> Tensor:
        first, *rest = self.weights
        if not any(rest):
            return scores.s / first
        others = scores.aux["others"].detach()
        if others.shape[-1] != len(rest):
            raise ConfigError(
                f"other_objectives has {len(rest)} weights after the first, and the scorer gives {others.shape[-1]} other "
                "objectives: write one weight for this objective and one for each of the others"
            )
        return (scores.s - others @ others.new_tensor(rest)) / first


class MixtureReference(Transform):
    """s - share ref_logp - (1 - share) prev_logp, share = tau / eta (INPO, Zhang et al. 2024, eq. 8)."""

    def __init__(self, options: parts.MixtureReference) -> None:
        super().__init__()
        self.shares = {"ref_logp": options.share, "prev_logp": 1 - options.share}

    def moved(self, scores: Scores) -> Tensor:
        return scores.s - sum(share * scores.aux[key].detach() for key, share in self.shares.items() if share)


class Clip(Transform):
    """s clamped to +-limit."""

    def __init__(self, options: parts.Clip) -> None:
        super().__init__()
        self.limit = options.limit

    def moved(self, scores: Scores) -> Tensor:
        return scores.s.clamp(-self.limit, self.limit)

    def clamped(self, scores: Scores) -> Tensor | None:
        return scores.s.abs() > self.limit


class StandardiseByGroup(Transform):
    """(s - mean) / std over the items of each group in the batch, both detached."""

    def __init__(self, options: parts.StandardiseByGroup) -> None:
        super().__init__()

    def forward(self, scores: Scores, labels: Labels) -> Scores:
        if labels.group is None:
            raise ConfigError("standardise_by_group needs answers that say whose they are: the labels have no group")
        s, member = scores.s.detach(), torch.nn.functional.one_hot(labels.group).to(scores.s)  # (B, G)
        present = scores.mask.to(s)
        count = (member.T @ present).sum(1).clamp_min(1)
        mean = (member.T @ (s * present)).sum(1) / count
        square = (member.T @ (s.square() * present)).sum(1) / count
        std = (square - mean.square()).clamp_min(0).sqrt()
        std = std.masked_fill(std < 1e-6, 1.0)  # one score, or all alike: leave the scale
        return scores.with_scores((scores.s - (member @ mean).unsqueeze(1)) / (member @ std).unsqueeze(1))


def _length(scores: Scores) -> Tensor:
    return scores.aux["length"].clamp_min(1)


def log1mexp(a: Tensor) -> Tensor:
    """log(1 - e^a) for a < 0, exact near 0 and far below."""
    near = a > -math.log(2)
    return torch.where(
        near, (-torch.expm1(a.masked_fill(~near, -0.5))).log(), torch.log1p(-a.masked_fill(near, -1.0).exp())
    )


BUILD: Mapping[str, Callable[[Any], Transform]] = {
    "temperature": Temperature, "scale": Scale, "log_ratio": LogRatio, "average_logp": AverageLogp, "log_odds": LogOdds,
    "f_divergence": FDivergence, "other_objectives": OtherObjectives, "mixture_reference": MixtureReference, "clip": Clip,
    "standardise_by_group": StandardiseByGroup,
}  # fmt: skip


class Chain(nn.Module):
    """Transforms one after another."""

    def __init__(self, chain: Sequence[Part]) -> None:
        super().__init__()
        self.chain = nn.ModuleList(BUILD[part.name](part.options) for part in chain)

    def forward(self, scores: Scores, labels: Labels) -> Scores:
        for transform in self.chain:
            scores = transform(scores, labels)
        return scores

    def clamped(self, scores: Scores, labels: Labels) -> list[Tensor]:
        """Where each transform that cuts did so, (B, K) bool each."""
        cut = []
        for transform in self.chain:
            found: Tensor | None = transform.clamped(scores)  # type: ignore[operator]
            if found is not None:
                cut.append(found)
            scores = transform(scores, labels)
        return cut
