"""What `prefrl_register_<plural>` hooks return: a name, a sentence, an options model and a builder.

Registering a spec imports nothing heavy: options are pydantic models, builders are made with `lazy` or import inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import pluggy

from prefrl.options import NoOptions, Options

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
    api: int = 1  # of the plugin API it was written for; one that does not say so is taken for the first

    def needs_of(self, options: Options) -> Needs:
        """What it needs under these options."""
        return self.needs(options) if callable(self.needs) else self.needs


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec(Spec):
    """Who answers. `build(options, BuildContext) -> Source`; of one that answers later, `-> Deferred`."""

    deferred: bool = False
    answers: frozenset[str] = frozenset({"pair", "ranking"})  # kinds of question it can answer
    gives: frozenset[str] = frozenset()  # kinds of its answers; empty: the question's own


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectorSpec(Spec):
    """Which queries are worth asking. `build(options, BuildContext) -> Selector`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardModelSpec(Spec):
    """`build(options, BuildContext) -> RewardModel`. `trained` is False for one that no preference changes."""

    trained: bool = True
    aux: frozenset[str] = frozenset()  # keys of Scores.aux that its scorers give beside the scores


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

    corrects_noise: bool = False  # assumes that some answers are wrong; only one thing of a run may
    gives: frozenset[str] = frozenset()  # fields of Labels it fills in for the loss: "votes"


@dataclass(frozen=True, slots=True, kw_only=True)
class BonusSpec(Spec):
    """`build(options, BuildContext) -> Bonus`: a decaying intrinsic reward added in relabel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainerSpec(Spec):
    """`build(options) -> Pretrainer`: what happens before the first question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySamplerSpec(Spec):
    """`build(options, BuildContext) -> ReplaySampler`: which stored transitions a batch is drawn from."""
