"""What was done or written in, a model that says such things out: supervised learning before preferences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prefrl.types import Array
from prefrl_llm.options import SftOptions


def imitate(policy: Any, obs: Array, actions: Array, options: SftOptions, rng: np.random.Generator) -> float:
    """Minimise the negative log-likelihood of `actions` (N,) in `obs` (N, ...); see `minimise`."""
    inputs, said = policy.inputs(obs), policy.own_actions(actions)

    def loss(rows: Tensor) -> Tensor:
        negative: Tensor = -policy.log_density({key: each[rows] for key, each in inputs.items()}, said[rows]).mean()
        return negative

    return minimise(policy.network, loss, len(said), options, rng)


def minimise(
    network: nn.Module, loss: Callable[[Tensor], Tensor], n: int, options: SftOptions, rng: np.random.Generator
) -> float:
    """AdamW on batches of rows below `n`; the mean loss over the last tenth of updates."""
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=options.learning_rate, weight_decay=0.0)
    losses = []
    for _ in range(options.updates):
        value = loss(torch.as_tensor(rng.integers(n, size=options.batch_size), device=weights[0].device))
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses.append(float(value.detach()))
    return float(np.mean(losses[-max(1, len(losses) // 10) :]))
