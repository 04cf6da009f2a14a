"""What a scorer hands to the loss core: raw sums per item, with whatever else a loss may need beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Scores:
    """Raw scores of B queries with up to K items: sums of reward, or of log-probability; higher is better.

    Nothing is applied yet: temperature, alpha, beta, reference and length live in the transforms of a loss alone, so
    that nothing counts twice. Well-known keys of `aux`: ref_logp, prev_logp, length, nll (B, K); resp_logratio,
    rationale_nll (B,); kl_logratio (M,); others (B, K, J); embed, embed_view (B, K, D); latent_mu, latent_logvar (G, Z);
    contributions (B, K, F) of named factors; times (B, K, T) which step of the clip each of `step` is, -1 none.
    """

    s: Tensor  # (B, K)
    mask: Tensor  # (B, K) bool: the item exists
    step: Tensor | None = None  # (B, K, T) what each step added
    step_mask: Tensor | None = None  # (B, K, T) bool
    aux: Mapping[str, Tensor] = field(default_factory=dict)

    @staticmethod
    def of(s: Tensor, **aux: Tensor) -> Scores:
        """Scores (B, K) in which every item exists."""
        return Scores(s, torch.ones_like(s, dtype=torch.bool), aux=aux)

    def exact(self) -> Scores:
        """At least float32 everywhere, and zero where no item is: half precision loses the differences that matter."""
        step = None if self.step is None else _wide(self.step)
        aux = {key: _wide(value) for key, value in self.aux.items()}
        return Scores(_wide(self.s).masked_fill(~self.mask, 0.0), self.mask, step, self.step_mask, aux)

    def with_scores(self, s: Tensor) -> Scores:
        """The same items under other scores (B, K)."""
        return replace(self, s=s.masked_fill(~self.mask, 0.0))

    def detach(self) -> Scores:
        """The same values without a graph."""
        aux = {key: value.detach() for key, value in self.aux.items()}
        return Scores(
            self.s.detach(), self.mask, None if self.step is None else self.step.detach(), self.step_mask, aux
        )


def _wide(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
