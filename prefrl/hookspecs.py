"""The hooks. `prefrl_register_<plural>` takes nothing and returns specs; `prefrl_on_<event>` observes and cannot stop a run.

Registering hooks are called once, before any configuration is read; nothing may depend on their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pluggy

from prefrl.specs import (
    AugmentationSpec,
    BonusSpec,
    ExecutorSpec,
    LabelFilterSpec,
    LearnerSpec,
    LossSpec,
    PretrainerSpec,
    ProcedureSpec,
    ReplaySamplerSpec,
    RewardModelSpec,
    RunSummary,
    RunView,
    SelectorSpec,
    SourceSpec,
)
from prefrl.types import Array, Evaluation, Preference, RewardFit, Segment

hookspec = pluggy.HookspecMarker("prefrl")


@hookspec
def prefrl_register_sources() -> Iterable[SourceSpec]:
    """Offer preference sources: who answers which clip is better."""
    return ()


@hookspec
def prefrl_register_selectors() -> Iterable[SelectorSpec]:
    """Offer selectors: which of the proposed queries are worth asking."""
    return ()


@hookspec
def prefrl_register_reward_models() -> Iterable[RewardModelSpec]:
    """Offer reward models: recorded steps in, reward channels out."""
    return ()


@hookspec
def prefrl_register_losses() -> Iterable[LossSpec]:
    """Offer losses: scores and labels in, loss and metrics out."""
    return ()


@hookspec
def prefrl_register_learners() -> Iterable[LearnerSpec]:
    """Offer learners: what trains a policy from the learned reward."""
    return ()


@hookspec
def prefrl_register_procedures() -> Iterable[ProcedureSpec]:
    """Offer procedures: the order of the stages, written with RunContext alone."""
    return ()


@hookspec
def prefrl_register_executors() -> Iterable[ExecutorSpec]:
    """Offer executors: where independent work runs."""
    return ()


@hookspec
def prefrl_register_augmentations() -> Iterable[AugmentationSpec]:
    """Offer augmentations of training batches."""
    return ()


@hookspec
def prefrl_register_label_filters() -> Iterable[LabelFilterSpec]:
    """Offer label filters: weights and flips before a fit."""
    return ()


@hookspec
def prefrl_register_bonuses() -> Iterable[BonusSpec]:
    """Offer exploration bonuses added in relabel."""
    return ()


@hookspec
def prefrl_register_pretrainers() -> Iterable[PretrainerSpec]:
    """Offer pretrainers: what happens before the first question."""
    return ()


@hookspec
def prefrl_register_replay_samplers() -> Iterable[ReplaySamplerSpec]:
    """Offer replay samplers for off-policy learners."""
    return ()


@hookspec
def prefrl_on_preferences(run: RunView, preferences: Sequence[Preference]) -> None:
    """After a round's answers are durable."""


@hookspec
def prefrl_on_reward_trained(run: RunView, fit: RewardFit) -> None:
    """After each fit, before the learner sees the new reward."""


@hookspec
def prefrl_on_policy_evaluated(run: RunView, evaluation: Evaluation) -> None:
    """After each evaluation."""


@hookspec
def prefrl_on_run_ended(run: RunView, summary: RunSummary) -> None:
    """Once, however the run ended."""


@hookspec(firstresult=True)
def prefrl_render_segment(segment: Segment, size: int, camera: str | None) -> Array | None:
    """Frames (H, size, size, 3) uint8 of a segment whose environment MuJoCo's own renderer cannot show, else None."""
