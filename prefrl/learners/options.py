"""Options of the built-in learners: SB3's and rl-zoo3's keys under their own names, never evaluated."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from prefrl.options import Options
from prefrl.zoo import PolicyKwargs, Schedule


class PPOOptions(Options):
    """Proximal policy optimisation; defaults are SB3's."""

    policy: Literal["MlpPolicy", "MultiInputPolicy", "CnnPolicy"] = "MlpPolicy"
    learning_rate: Schedule = Field(3e-4, description="a number, or 'lin_3e-4' to fall linearly to zero over the run")
    n_steps: int = Field(2048, ge=2, description="steps per environment and rollout")
    batch_size: int = Field(64, ge=2)
    n_epochs: int = Field(10, ge=1)
    gamma: float = Field(0.99, ge=0, le=1)
    gae_lambda: float = Field(0.95, ge=0, le=1)
    clip_range: Schedule = 0.2
    clip_range_vf: Schedule | None = None
    normalize_advantage: bool = True
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    use_sde: bool = False
    sde_sample_freq: int = -1
    target_kl: float | None = None
    stats_window_size: int = Field(100, ge=1)
    policy_kwargs: PolicyKwargs = {}
