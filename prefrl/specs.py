"""What plugins hand to the host (specs), what they build (protocols) and what they are given (contexts).

A spec is a name, a sentence, an options model and a builder. Registering one imports nothing heavy: options are
pydantic models, builders are made with `lazy` or import inside. Torch types appear under TYPE_CHECKING only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
import pluggy

from prefrl.options import NoOptions, Options
from prefrl.types import (
    Array,
    Channels,
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

    from prefrl.losses import Labels, PrefLoss, Scores

API_VERSION = 1
hookimpl = pluggy.HookimplMarker("prefrl")

Need = Literal[
    "true_reward", "privileged_factors", "factors", "frames", "text", "states", "pool", "env", "policy", "critic"
]
Needs = frozenset[str]


def lazy(path: str) -> Callable[..., Any]:
    """A builder that imports ``"package.module:function"`` when it is first called."""
    module, _, name = path.partition(":")

    def build(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(module), name)(*args, **kwargs)

    build.__qualname__ = build.__name__ = path
    return build


# --- specs: what `prefrl_register_<plural>` returns ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One thing a plugin offers under a name of the YAML."""

    name: str
    summary: str  # one line for `prefrl plugins list`
    build: Callable[..., Any]
    options: type[Options] = NoOptions
    needs: Needs | Callable[[Any], Needs] = frozenset()  # a function of the options where they decide
    api: int = API_VERSION

    def needs_of(self, options: Options) -> Needs:
        """What it needs under these options."""
        return self.needs(options) if callable(self.needs) else self.needs


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec(Spec):
    """Who answers. `build(options, BuildContext) -> Source`; a deferred one answers through the store instead."""

    deferred: bool = False
    answers: frozenset[str] = frozenset({"pair", "ranking"})  # kinds of question it can answer


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectorSpec(Spec):
    """Which queries are worth asking. `build(options, BuildContext) -> Selector`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardModelSpec(Spec):
    """`build(options, BuildContext) -> RewardModel`. `trained` is False for one that no preference changes."""

    trained: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSpec(Spec):
    """`build(options) -> PrefLoss`. `vectors` are (scores, labels, expected) triples for the conformance suite."""

    kinds: frozenset[str] = frozenset({"pair"})
    requires: frozenset[str] = frozenset()  # keys of Scores.aux
    paper: str = ""
    shift_invariant: bool = True
    batch_coupled: bool = False
    vectors: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerSpec(Spec):
    """What trains a policy. `build(options, LearnerContext) -> Learner`."""

    off_policy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureSpec(Spec):
    """The order of the stages. `build(options) -> Procedure`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSpec(Spec):
    """Where independent work runs. `build(options) -> Executor`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationSpec(Spec):
    """`build(options, BuildContext) -> Augmentation`: changes a training batch of segments, never the stored ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFilterSpec(Spec):
    """`build(options, BuildContext) -> LabelFilter`: weights or flips labels before each fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BonusSpec(Spec):
    """`build(options, BuildContext) -> Bonus`: a decaying intrinsic reward added in relabel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainerSpec(Spec):
    """`build(options) -> Pretrainer`: what happens before the first question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySamplerSpec(Spec):
    """`build(options, BuildContext) -> ReplaySampler`: which stored transitions a batch is drawn from."""


# --- contexts: what builders and calls are given -------------------------------------------------------------------


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

    def rng(self, *path: str | int) -> np.random.Generator:
        """An independent generator named by `path`: the same name gives the same stream in every process."""
        return named_rng(self.seed, self.run, self.name, *path)


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
    pool: Any = None


# --- protocols: what specs build -----------------------------------------------------------------------------------


@runtime_checkable
class Source(Protocol):
    """Answers queries at once. What it may read of an item is what its spec `needs`; the rest is absent."""

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        """Yield answers in any order, at most one per query; each is stored the moment it is yielded.

        Leave a query out to leave it undecided (it falls through to the next source); skip one with `answer=None`.
        """
        ...


class Pool(Protocol):
    """Everything a run recorded, as (episode, start, H) indices; a segment is copied only when asked for."""

    def sample(self, n: int, length: int, rng: np.random.Generator, window: int | None = None) -> Sequence[Any]:
        """`n` indices, uniform over all valid starts of the last `window` recorded steps (all if None)."""
        ...

    def segment(self, index: Any) -> Segment:
        """Copy one segment to the host, with its content hash."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Proposed queries: `segments[items[q, k]]` is item k of proposal q. A selector keeps the best n."""

    segments: Sequence[Segment]
    items: Array  # (Q, K) int
    labelled: Array  # (L, K) int; rows into `segments` of queries asked before, empty if none
    returns: Array | None  # (E, len(segments)): each member's learned return, None before the first fit


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


class Policy(Protocol):
    """What acts. Observations are raw; a policy normalises for itself."""

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """(N, *action_shape) actions to execute for (N, *obs_shape) raw observations."""
        ...

    def log_prob(self, obs: Array, action: Array) -> Array:
        """(N,) log-densities of policy actions."""
        ...

    def save(self, path: Path) -> None: ...


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


class Learner(Protocol):
    """A policy in training; SB3 steps the environments."""

    policy: Policy
    steps: int  # environment steps taken so far

    def advance(self, steps: int) -> None:
        """Learn for at least `steps` more environment steps, in whole rollouts; n advances equal one long learn."""
        ...

    def explore(self, steps: int) -> None:
        """Take uniformly random actions without learning; they count as steps."""
        ...

    def log(self, values: Mapping[str, float]) -> None:
        """Scalars for the next line of its logger."""
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
    """Where independent calls run."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Results in the order of `items`; an exception is raised where its result would stand."""
        ...


class Augmentation(Protocol):
    """Changes time windows of a training batch; all items of one query share the length."""

    def windows(self, lengths: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """(start, length) of what remains of each item, both (B, K) int, for items of `lengths` (B, K)."""
        ...


class LabelFilter(Protocol):
    """Weights or flips labels before a fit."""

    def apply(self, labels: Labels, scores: torch.Tensor, loss: PrefLoss) -> Labels:
        """New labels, given the members' current raw scores (E, B, K)."""
        ...


class Bonus(Protocol):
    """An intrinsic reward added to the learned one in relabel."""

    def rewards(self, episodes: Sequence[Episode], channels: Channels, step: int) -> Array: ...


class Pretrainer(Protocol):
    """What happens before the first question."""

    def run(self, context: RunContext, steps: int) -> None: ...


class ReplaySampler(Protocol):
    """Rows of an off-policy buffer to learn from."""

    def rows(self, size: int, batch: int, rng: np.random.Generator) -> Array: ...


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

    def checkpoint(self, state: Mapping[str, Any]) -> None: ...

    def log(self, values: Mapping[str, float]) -> None:
        """Scalars for the run's logger at the current step."""
        ...


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What `prefrl_on_run_ended` receives."""

    status: Literal["ok", "failed", "interrupted"]
    steps: int
    preferences: int
    evaluation: Evaluation | None = None
    error: str = ""
    timing: Mapping[str, float] = field(default_factory=dict)  # seconds by phase
