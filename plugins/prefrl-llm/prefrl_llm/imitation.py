"""What was done in some observations in, a policy that says such things out: supervised learning before preferences."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from prefrl.types import Array
from prefrl_llm.options import SftOptions


def imitate(policy: Any, obs: Array, actions: Array, options: SftOptions, rng: np.random.Generator) -> float:
    """Minimise the negative log-likelihood of `actions` (N,) in `obs` (N, ...); the mean over the last tenth of updates."""
    weights = [parameter for parameter in policy.network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=options.learning_rate, weight_decay=0.0)
    inputs, said = policy.inputs(obs), policy.own_actions(actions)
    losses = []
    for _ in range(options.updates):
        rows = torch.as_tensor(rng.integers(len(said), size=options.batch_size), device=said.device)
        loss = -policy.log_density({key: each[rows] for key, each in inputs.items()}, said[rows]).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses[-max(1, len(losses) // 10) :]))
