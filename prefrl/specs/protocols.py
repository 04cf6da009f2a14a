"""What specs build: one protocol per kind. Torch types appear under TYPE_CHECKING only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from prefrl.specs.contexts import AskContext, BuildContext, Candidates, Desk, FilterContext
from prefrl.types import (
    Array,
    Channels,
    Correction,
    EnvInfo,
    Episode,
    Evaluation,
    Item,
    Preference,
    Query,
    RewardFit,
    Segment,
)

if TYPE_CHECKING:
    import torch

    from prefrl.losses import Labels, Scores


@runtime_checkable
class Source(Protocol):
    """Answers queries at once. What it may read of an item is what its spec `needs`; the rest is absent."""

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference | Correction]:
        """Yield answers in any order, at most one per query; each is stored the moment it is yielded.

        Leave a query out to leave it undecided (it falls through to the next source); skip one with `answer=None`. A
        `Correction` between them is stored too, question and answer.
        """
        ...


class Deferred(Protocol):
    """Has queries answered later: it writes into the run's data set, from this process or another, when it pleases."""

    def open(self, desk: Desk) -> None:
        """The run starts: let whoever answers begin."""
        ...

    def waiting(self, answered: int, asked: int) -> None:
        """Called at every look at the store while a round waits for it; raise to end the run, e.g. when nobody can answer."""
        ...

    def close(self) -> None:
        """The run has ended, however it did."""
        ...


@runtime_checkable
class Discerning(Protocol):
    """A deferred source that knows whose answers not to learn from."""

    def distrusted(self) -> Collection[str]:
        """Annotators whose answers to this source teach nothing at present; asked before each fit."""
        ...


class Pool(Protocol):
    """Everything a run recorded, as (episode, start, H) indices; a segment is copied only when asked for."""

    def sample(self, n: int, length: int, rng: np.random.Generator, window: int | None = None) -> Sequence[Any]:
        """`n` indices, uniform over all valid starts of the last `window` recorded steps (all if None)."""
        ...

    def segment(self, index: Any) -> Segment:
        """Copy one segment to the host, with its content hash."""
        ...

    def recent(self, n: int) -> Sequence[Episode]:
        """The last `n` episodes that ended, oldest first; those in progress while none has."""
        ...


class Selector(Protocol):
    """Ranks proposals. One that is not `informed` takes what is drawn, so that no more than needed is."""

    informed: bool

    def select(self, candidates: Candidates, n: int, rng: np.random.Generator) -> Sequence[tuple[int, str]]:
        """At most `n` distinct (row of `candidates.items`, why) pairs, best first."""
        ...


class Scorer(Protocol):
    """Anything the shared trainer can fit to preferences: a member of an ensemble, a control policy, an LLM."""

    def score(self, batch: Any, index: torch.Tensor, steps: torch.Tensor, scale: torch.Tensor) -> Scores:
        """Raw scores of a collated `batch`: sums of reward or log-probability over the chosen steps, times `scale`.

        `index` (B, K) are items, `steps` (B, K, L) their steps, -1 for none; `scale` (B, K) makes up for steps left out.
        Temperature, reference and length belong to the loss.
        """
        ...

    def parameters(self) -> Iterable[torch.nn.Parameter]: ...


class RewardModel(Protocol):
    """Turns recorded steps into reward. `markov` models may be asked about any contiguous chunk of steps."""

    markov: bool
    version: int  # +1 per fit; 0 before the first

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        """Channels over the concatenated steps of `episodes`: "reward" (N,), and where known "std", "cost:<name>", ..."""
        ...

    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        """(E, N) learned return of each item, one row per ensemble member."""
        ...

    def observe(self, episodes: Sequence[Episode]) -> None:
        """See recorded steps before a fit, e.g. for the statistics that normalise inputs and outputs."""
        ...

    def collate(self, items: Sequence[Item]) -> Any:
        """One batch of `items` for the scorers, with `mask` (N, H) and `lengths` (N,) tensors on the model's device."""
        ...

    def scorers(self) -> Sequence[Scorer]:
        """What to fit: one scorer per member; none for a model that no preference changes."""
        ...

    def reset(self) -> None:
        """Fresh weights, for fits that start anew."""
        ...

    def fitted(self) -> None:
        """Called after each fit: refresh output statistics and raise `version`."""
        ...

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@runtime_checkable
class PolicyTrained(Protocol):
    """A reward model whose scorer is a policy: answers are fitted by the policy itself, and no reward lies in between."""

    def adopt(self, policy: Policy) -> None:
        """Score by `policy` from now on; what it is now is the reference, and what a reset returns to."""
        ...


@runtime_checkable
class PerUser(Protocol):
    """A reward model that differs by whose preference it is (`Preference.group`)."""

    def told(
        self, batch: Any, users: Sequence[str], answers: Sequence[tuple[Labels, torch.Tensor, torch.Tensor]]
    ) -> Any:
        """`batch` with what each user said: labels, items (B, K) and what is held out (B,) of each kind of answer.

        Its `told_by(user)` is what scorers are then given, `user` (B,) being places in `users`.
        """
        ...

    def latent(self, answers: Sequence[tuple[Query, Preference]]) -> Array:
        """(Z,) somebody new, from a few answers."""
        ...


@runtime_checkable
class OfFactors(Protocol):
    """A reward model made of named factors: answers that say which one decided are told to its losses by its place here."""

    factors: Sequence[str]


class Policy(Protocol):
    """What acts. Observations are raw; a policy normalises for itself."""

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """(N, *action_shape) actions to execute for (N, *obs_shape) raw observations."""
        ...

    def log_prob(self, obs: Array, action: Array) -> Array:
        """(N,) log-densities of policy actions."""
        ...

    def save(self, path: Path) -> None: ...


class Learner(Protocol):
    """A policy in training; SB3 steps the environments."""

    policy: Policy
    steps: int  # environment steps taken so far
    updates: int  # gradient steps taken so far

    def advance(self, steps: int) -> None:
        """Learn for at least `steps` more environment steps, in whole rollouts; n advances equal one long learn."""
        ...

    def explore(self, steps: int) -> None:
        """Take uniformly random actions without learning; they count as steps."""
        ...

    def log(self, values: Mapping[str, float]) -> None:
        """Scalars for the next line of its logger."""
        ...

    def close(self) -> None:
        """Close its log files."""
        ...

    def save(self, path: Path) -> None:
        """SB3's zip where the learner is SB3's."""
        ...

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Procedure(Protocol):
    """The order of the stages, written with `RunContext` alone."""

    def run(self, context: RunContext) -> None: ...

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Executor(Protocol):
    """Where independent calls run: functions that can be imported, items and results that can be pickled."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Results in the order of `items`; an exception is raised where its result would stand."""
        ...

    def completed(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """(number of the item from 0, result) as each call ends; a call that raised, or died, has an exception as result."""
        ...


class Augmentation(Protocol):
    """Changes time windows of a training batch; all items of one query share the length."""

    def windows(self, lengths: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """(start, length) of what remains of each item, both (B, K) int, for items of `lengths` (B, K)."""
        ...


class LabelFilter(Protocol):
    """Weights or flips labels before a fit, and again during it every `reward.fit.refilter` epochs."""

    def apply(self, labels: Labels, context: FilterContext) -> Labels:
        """New labels of the same answers; always given those of the people, never what it made of them before."""
        ...

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@runtime_checkable
class Measured(Protocol):
    """Something of a fit, a label filter for one, that has found out something to be reported with it."""

    def metrics(self) -> Mapping[str, float]: ...


class Bonus(Protocol):
    """An intrinsic reward added to the learned one in relabel."""

    def rewards(self, episodes: Sequence[Episode], channels: Channels, step: int) -> Array: ...


class Pretrainer(Protocol):
    """What happens before the first question."""

    def run(self, context: RunContext, steps: int) -> None: ...


class ReplaySampler(Protocol):
    """Rows of an off-policy buffer to learn from."""

    def rows(self, size: int, batch: int, rng: np.random.Generator) -> Array:
        """(batch,) rows, counted from the oldest, which is 0, to the newest, which is size - 1."""
        ...


class RunView(Protocol):
    """What observers see of a run: enough to report, nothing to steer with."""

    @property
    def name(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def env(self) -> EnvInfo: ...
    @property
    def step(self) -> int: ...


class RunContext(RunView, Protocol):
    """All a procedure gets. Plugins write procedures with this alone."""

    @property
    def settings(self) -> Any:
        """The resolved `prefrl.settings.RunSettings`."""
        ...

    @property
    def pool(self) -> Pool: ...
    @property
    def reward(self) -> RewardModel: ...
    @property
    def data(self) -> Any:
        """The run's data set (`prefrl.store.DataSet`)."""
        ...

    def rng(self, *path: str | int) -> np.random.Generator:
        """A generator named by `path`, the same whenever it is asked for."""
        ...

    def learner(self, seed: int | None = None) -> Learner:
        """A learner on the run's environment and reward; one per seed, the run's own seed by default."""
        ...

    def train_policy(self, reward: RewardModel, seed: int, steps: int) -> Policy:
        """A fresh learner trained on `reward` in one shot, for procedures that compare rewards or policies."""
        ...

    @property
    def asks(self) -> bool:
        """Whether there is a reward model to fit and somebody to ask."""
        ...

    def pretrain(self) -> None:
        """What the settings say happens before the first question."""
        ...

    def rewarded_by(self, reward: RewardModel) -> AbstractContextManager[None]:
        """Inside, the learner sees another reward than the run's, e.g. state entropy."""
        ...

    def build_context(self, name: str) -> BuildContext:
        """For building things of the run's environment, seed and device under a name of their own."""
        ...

    def select(self, n: int, round: int) -> Sequence[Query]:
        """`n` queries from the pool by the configured selector."""
        ...

    def ask(self, queries: Sequence[Query], round: int) -> Sequence[Preference]:
        """Put queries to the configured sources in their order; every answer is durable before it is returned."""
        ...

    def fit(self, round: int) -> RewardFit | None:
        """Fit the reward model to all answers there are; None if there are none yet."""
        ...

    def collect(self, policy: Policy, episodes: int, seed: int) -> Sequence[Episode]:
        """Deterministic episodes on fresh environments, outside the pool."""
        ...

    def evaluate(self, policy: Policy, final: bool = False) -> Evaluation: ...

    def render(self, segments: Sequence[Segment]) -> Sequence[Path]:
        """Clips under videos/, rendered outside this process."""
        ...

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Independent work over the configured executor."""
        ...

    def checkpoint(self) -> None:
        """Write the whole state of the run, the procedure's `state_dict` included, from which it can go on exactly.

        Call it where `run` would go on after `load_state_dict`: at the end of a round, or between two advances.
        """
        ...

    def log(self, values: Mapping[str, float]) -> None:
        """Scalars for the run's logger at the current step."""
        ...
