"""Options of the built-in learners: SB3's and rl-zoo3's keys under their own names, never evaluated."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from prefrl.options import Options
from prefrl.zoo import PolicyKwargs, Schedule

Frequency = Annotated[int, Field(ge=1)]


class RecentOptions(Options):
    """Hybrid replay (QPA): some of each batch from what was recorded last."""

    steps: int = Field(10_000, ge=1, description="rows of the buffer that count as recent: steps of each environment")
    share: float = Field(0.5, ge=0, le=1, description="of a batch that is drawn from them")


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


class OffPolicyOptions(Options):
    """What SAC and TD3 share; defaults are SB3's, unless said otherwise."""

    policy: Literal["MlpPolicy", "MultiInputPolicy", "CnnPolicy"] = "MlpPolicy"
    learning_rate: Schedule = Field(3e-4, description="a number, or 'lin_3e-4' to fall linearly to zero over the run")
    buffer_size: int = Field(1_000_000, ge=1, description="transitions kept, of all environments together")
    learning_starts: int = Field(100, ge=0, description="steps of uniformly random actions; those of pretrain count")
    batch_size: int = Field(256, ge=1)
    tau: float = Field(0.005, gt=0, le=1)
    gamma: float = Field(0.99, ge=0, le=1)
    train_freq: Frequency | tuple[Frequency, Literal["step", "episode"]] = Field(
        1, description="steps of each environment between updates, or [1, episode]"
    )
    gradient_steps: int | None = Field(
        None, ge=-1, description="per update; -1: as many as steps were taken; null: -1 if n_envs > 1, else 1"
    )
    n_steps: int = Field(1, ge=1, description="rewards summed before the critic's value takes over")
    noise_type: Literal["normal"] | None = Field(None, description="noise added to actions while collecting")
    noise_std: float = Field(0.1, ge=0, description="of actions in [-1, 1]")
    reset_critic: bool = Field(
        False, description="fresh critics when the learned reward takes over from what was learned before (PEBBLE)"
    )
    reset_update: int = Field(100, ge=0, description="gradient steps right after that")
    stats_window_size: int = Field(100, ge=1)
    policy_kwargs: PolicyKwargs = {}

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("optimize_memory_usage"):
            raise ValueError(
                "optimize_memory_usage drops what time limits need to be told from terminal states; leave it out"
            )
        if isinstance(data, dict) and data.keys() & {"replay_buffer_class", "replay_buffer_kwargs"}:
            raise ValueError(
                "the replay buffer is ours, because it relabels; hindsight replay (HER) cannot be used with it"
            )
        return data


class SACOptions(OffPolicyOptions):
    """Soft actor-critic."""

    ent_coef: float | Annotated[str, Field(pattern=r"^auto(_\d+(\.\d+)?)?$")] = Field(
        "auto", description="entropy coefficient; 'auto' learns it, 'auto_0.1' from 0.1 on"
    )
    target_update_interval: int = Field(1, ge=1)
    target_entropy: float | Literal["auto"] = "auto"
    use_sde: bool = False
    sde_sample_freq: int = -1


class TD3Options(OffPolicyOptions):
    """Twin delayed deep deterministic policy gradient; without noise, which SB3 leaves off, it would not explore."""

    learning_rate: Schedule = Field(1e-3, description="a number, or 'lin_1e-3' to fall linearly to zero over the run")
    noise_type: Literal["normal"] | None = Field("normal", description="noise added to actions while collecting")
    policy_delay: int = Field(2, ge=1)
    target_policy_noise: float = Field(0.2, ge=0)
    target_noise_clip: float = Field(0.5, ge=0)
