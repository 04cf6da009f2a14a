"""What builders and calls are given, and what observers are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from prefrl.types import Array, EnvInfo, Evaluation, Segment

if TYPE_CHECKING:
    import torch

    from prefrl.losses import PrefLoss
    from prefrl.specs.protocols import Policy, Pool, ReplaySampler


@dataclass(frozen=True, slots=True)
class BuildContext:
    """Given to builders. `folder` is the run's own; `name` is the instance's key in the YAML."""

    run: str
    name: str
    seed: int
    env: EnvInfo
    device: str = "cpu"
    folder: Path = Path()
    make_env: Callable[[], Any] | None = None  # a fresh, untouched environment, for those that need "env"
    saved_policy: Callable[[str], Policy] | None = None  # that of a run folder or of one's own SB3 file

    def rng(self, *path: str | int) -> np.random.Generator:
        """An independent generator named by `path`: the same name gives the same stream in every process."""
        return named_rng(self.seed, self.name, *path)


def named_rng(seed: int, *path: str | int) -> np.random.Generator:
    """A generator that depends on `seed` and a name alone, not on what ran before or on PYTHONHASHSEED."""
    words = [int.from_bytes(str(part).encode(), "little") for part in path]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


@dataclass(frozen=True, slots=True)
class AskContext:
    """Given to a source with the queries. Fields other than step and round are filled only where `needs` names them."""

    step: int
    round: int
    rng: np.random.Generator
    policy: Policy | None = None
    pool: Pool | None = None  # without what the source did not declare
    # (clip, policy, steps) -> what the policy does from where the clip begins; for those that need "env"
    simulate: Callable[[Segment, Policy, int], Segment] | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Given to a deferred source when the run starts: where the questions lie and the answers go, from any process."""

    url: str | None  # of the store, as `prefrl.store.open_store` takes it
    folder: Path  # likewise
    data_set: str
    answers: int  # the run asks for, all in all
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)  # with which clips are drawn
    size: int = 256  # pixels a side
    camera: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Proposed queries: `segments[items[q, k]]` is item k of proposal q. A selector keeps the best n."""

    segments: Sequence[Segment]
    items: Array  # (Q, K) int
    labelled: Array  # (L, K) int; rows into `segments` of queries asked before, empty if none
    returns: Array | None  # (E, P): each member's learned return of the proposed segments, which are the first P of
    # `segments`; None before the first fit


@dataclass(frozen=True, slots=True)
class LearnerContext:
    """Given to a learner's builder: where it acts, what it learns from and for how long."""

    env: Any  # the recording SB3 VecEnv
    relabel: Any  # prefrl.relabel.Relabeller: the learned reward of what was just recorded
    seed: int
    device: str
    total_steps: int  # of the run: schedules run over all of it
    normalize: bool  # running mean and std of observations
    folder: Path
    clock: Any  # prefrl.timing.Clock: phases "collect" and "learn" are the learner's
    tick: Callable[[int], None]  # to be told the steps taken, once per rollout
    sampler: ReplaySampler | None = None  # which rows of a replay buffer a batch is drawn from; None: all alike


@dataclass(frozen=True, slots=True, eq=False)
class FilterContext:
    """Given to a label filter with the B answers of one kind, at each look."""

    loss: PrefLoss
    scores: torch.Tensor  # (E, B, K) raw scores by every member as it is now
    training: torch.Tensor  # (B,) bool: answers to learn from; of the others nothing but votes is taken over
    # rows, and labels (B answers) where not those of the people -> (E, B, K) raw scores by fresh members fitted to them alone
    refit: Callable[..., torch.Tensor]
    questions: Sequence[str] = ()  # (B,) id of each answer's query: equal ones were asked of several
    annotators: Sequence[str] = ()  # (B,) who gave each: "<source>", or "<source>/<annotator>" where it has several


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What `prefrl_on_run_ended` receives."""

    status: Literal["ok", "failed", "interrupted"]
    steps: int
    preferences: int
    evaluation: Evaluation | None = None
    error: str = ""
    timing: Mapping[str, float] = field(default_factory=dict)  # seconds by phase
