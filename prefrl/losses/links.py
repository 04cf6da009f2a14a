"""Links: the scores of two items and the target in, the loss of each comparison out.

Most are ``p f(s_i - m - s_j) + (1 - p) f(s_j - m - s_i)`` for some cost f of the difference; all are functions of the
two scores, since some (CPL's, BCO's) are not functions of the difference. Nothing is clipped where a gradient matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from prefrl.losses import parts
from prefrl.losses.part import Part

LARGEST_EXPONENT = 80.0  # e^80 is still a float32


class Link(nn.Module):
    """Built from its options; all tensors are (N,)."""

    def cost(self, winner: Tensor, loser: Tensor) -> Tensor:
        """The loss when the first argument's item won."""
        raise NotImplementedError

    def forward(self, si: Tensor, sj: Tensor, p: Tensor, m: Tensor, tie: Tensor) -> Tensor:
        return p * self.cost(si - m, sj) + (1 - p) * self.cost(sj - m, si)

    def log_probs(self, si: Tensor, sj: Tensor) -> Tensor | None:
        """(N, 2) log P of (i wins, j wins), or (N, 3) with a tie; None if the link models no probability."""
        return None

    def clamped(self, si: Tensor, sj: Tensor) -> Tensor | None:
        """(N,) bool: where an exponent was cut; None if the link has none."""
        return None


class Logistic(Link):
    """softplus(-d), the cross-entropy of sigmoid(d) (Bradley and Terry 1952; Christiano et al. 2017; DPO)."""

    def __init__(self, options: parts.Logistic) -> None:
        super().__init__()

    def cost(self, winner: Tensor, loser: Tensor) -> Tensor:
        return softplus(loser - winner)

    def log_probs(self, si: Tensor, sj: Tensor) -> Tensor | None:
        return torch.stack([logsigmoid(si - sj), logsigmoid(sj - si)], 1)


class NoiseFloor(Link):
    """-log(e/2 + (1-e) sigmoid(d)): a share e of answers is random (Christiano et al. 2017, section 2.2.3)."""

    def __init__(self, options: parts.NoiseFloor) -> None:
        super().__init__()
        self.floor, self.rest = math.log(options.epsilon / 2), math.log1p(-options.epsilon)

    def cost(self, winner: Tensor, loser: Tensor) -> Tensor:
        model = self.rest + logsigmoid(winner - loser)
        return -torch.logaddexp(torch.full_like(model, self.floor), model)

    def log_probs(self, si: Tensor, sj: Tensor) -> Tensor | None:
        return torch.stack([-self.cost(si, sj), -self.cost(sj, si)], 1)


class Robust(Link):
    """[(1-e) sp(-d) - e sp(d)] / (1-2e): unbiased under flips at rate e (rDPO, Chowdhury et al. 2024)."""

    def __init__(self, options: parts.Robust) -> None:
        super().__init__()
        self.epsilon = options.epsilon

    def cost(self, winner: Tensor, loser: Tensor) -> Tensor:
        d, e = winner - loser, self.epsilon
        return ((1 - e) * softplus(-d) - e * softplus(d)) / (1 - 2 * e)

    def log_probs(self, si: Tensor, sj: Tensor) -> Tensor | None:
        return torch.stack([logsigmoid(si - sj), logsigmoid(sj - si)], 1)


class Hinge(Link):
    """max(0, delta - d) (SLiC-HF, Zhao et al. 2023)."""

    def __init__(self, options: parts.Hinge) -> None:
        super().__init__()
        self.delta = options.delta

    def cost(self, winner: Tensor, loser: Tensor) -> Tensor:
        return torch.relu(self.delta - (winner - loser))


class Squared(Link):
    """(d - (2p-1)(1/(2 tau) + m))^2, for soft p exact up to a constant (IPO, Azar et al. 2023, eq. 17)."""

    def __init__(self, options: parts.Squared) -> None:
        super().__init__()
        self.target = 1 / (2 * options.tau)

    def forward(self, si: Tensor, sj: Tensor, p: Tensor, m: Tensor, tie: Tensor) -> Tensor:
        return (si - sj - (2 * p - 1) * (self.target + m)).square()


class Biased(Link):
    """-log e^w / (e^w + e^(bias l)) = softplus(bias l - w) (CPL, Hejna et al. 2024, eq. 10)."""

    def __init__(self, options: parts.Biased) -> None:
        super().__init__()
        self.bias = options.bias

    def cost(self, winner: Tensor, loser: Tensor) -> Tensor:
        return softplus(self.bias * loser - winner)

    def log_probs(self, si: Tensor, sj: Tensor) -> Tensor | None:
        """Below 1 the two directions do not sum to 1: no probability."""
        return torch.stack([logsigmoid(si - sj), logsigmoid(sj - si)], 1) if self.bias == 1.0 else None


class TieLink(Link):
    """Three outcomes: the loss is -sum_o q_o log P_o, a win judged at the difference less its margin."""

    def log_prob3(self, d: Tensor) -> Tensor:
        """(N, 3) log P of (i wins, j wins, tie) at difference d."""
        raise NotImplementedError

    def forward(self, si: Tensor, sj: Tensor, p: Tensor, m: Tensor, tie: Tensor) -> Tensor:
        d = si - sj
        first, second, equal = self.log_prob3(d - m)[:, 0], self.log_prob3(d + m)[:, 1], self.log_prob3(d)[:, 2]
        return -((p - tie / 2) * first + (1 - p - tie / 2) * second + tie * equal)

    def log_probs(self, si: Tensor, sj: Tensor) -> Tensor | None:
        return self.log_prob3(si - sj)


class RaoKupper(TieLink):
    """P(i) = sigmoid(d - log nu), P(tie) = (nu^2 - 1) P(i) P(j) (Rao and Kupper 1967)."""

    def __init__(self, options: parts.RaoKupper) -> None:
        super().__init__()
        start = torch.tensor(math.log(math.expm1(options.nu - 1)), dtype=torch.float64)
        self.rho = nn.Parameter(start, requires_grad=options.learn)  # nu = 1 + softplus(rho)

    def log_prob3(self, d: Tensor) -> Tensor:
        over = softplus(self.rho)  # nu - 1
        first, second = logsigmoid(d - over.log1p().to(d)), logsigmoid(-d - over.log1p().to(d))
        return torch.stack([first, second, (over * (over + 2)).log().to(d) + first + second], 1)


class Davidson(TieLink):
    """P proportional to (e^(d/2), e^(-d/2), 2 nu) (Davidson 1970)."""

    def __init__(self, options: parts.Davidson) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.tensor(math.log(options.nu), dtype=torch.float64), requires_grad=options.learn)

    def log_prob3(self, d: Tensor) -> Tensor:
        equal = (math.log(2) + self.rho).to(d).expand_as(d)
        return torch.stack([d / 2, -d / 2, equal], 1).log_softmax(1)


class Exponential(Link):
    """exp(-d), cut at e^80."""

    def __init__(self, options: parts.Exponential) -> None:
        super().__init__()

    def cost(self, winner: Tensor, loser: Tensor) -> Tensor:
        return (loser - winner).clamp_max(LARGEST_EXPONENT).exp()

    def clamped(self, si: Tensor, sj: Tensor) -> Tensor | None:
        return (si - sj).abs() > LARGEST_EXPONENT


class Absolute(Link):
    """sp(-winner) + sp(loser): a classifier of winners against zero (BCO, Jung et al. 2024)."""

    def __init__(self, options: parts.Absolute) -> None:
        super().__init__()

    def cost(self, winner: Tensor, loser: Tensor) -> Tensor:
        return softplus(-winner) + softplus(loser)


BUILD: Mapping[str, Callable[[Any], Link]] = {
    "logistic": Logistic, "noise_floor": NoiseFloor, "robust": Robust, "hinge": Hinge, "squared": Squared, "biased": Biased,
    "rao_kupper": RaoKupper, "davidson": Davidson, "exponential": Exponential, "absolute": Absolute,
}  # fmt: skip


def build_link(part: Part) -> Link:
    """The link that `part` names."""
    return BUILD[part.name](part.options)
