"""Log-probabilities of sampled answers and who won in, a loss out: Nash-MD for a policy that cannot be enumerated."""

from __future__ import annotations

import torch
from torch import Tensor


def nash_md_pg(logp: Tensor, ref_logp: Tensor, mask: Tensor, p: Tensor, beta: float) -> Tensor:
    """Mean over the batch of beta * sum sg(u_t) log pi_t - (P(y beats y') - 1/2) * sum log pi_t (Munos et al. 2024, section 7).

    `logp`, `ref_logp` and `mask` (B, T) are of answers y that the policy drew, `p` (B,) is P(y beats y') for an y' drawn
    from the mixture with the reference; u_t is the log-ratio, under a stop-gradient.
    """
    ratio = (logp - ref_logp).detach()
    own = beta * (ratio * logp * mask).sum(1)
    return (own - (p - 0.5) * (logp * mask).sum(1)).mean()


def mixed_logp(logp: Tensor, ref_logp: Tensor, share: float) -> Tensor:
    """(..., V) log-probabilities of the geometric mixture pi^(1 - share) ref^share: whom Nash-MD plays against."""
    return torch.log_softmax((1 - share) * logp + share * ref_logp, dim=-1)
