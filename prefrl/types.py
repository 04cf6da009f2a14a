"""The records that travel from an environment step to a report; frozen, numpy or any array-like, no torch.

Shapes: T steps of one episode, H steps of a segment, K items of a query. Orientation: in tensors rank 0 is best and
-1 is missing, and a pair's probability is P(item 0 beats item 1).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ANSWER_KINDS", "Answer", "Array", "Binary", "Candidate", "Channels", "Choice", "Correction", "EnvInfo", "Episode",
    "Evaluation", "Factor", "Grades", "Item", "Preference", "Query", "QuestionKind", "Rationale", "RewardFit",
    "Segment", "Text", "Tiers", "Triplet", "array_bytes", "content_hash",
]  # fmt: skip

Array = NDArray[Any]
Channels = Mapping[str, Array]

QuestionKind = Literal["pair", "ranking", "choice", "grade", "binary", "similarity"]


def content_hash(*parts: bytes) -> str:
    """SHA-256 of length-prefixed parts, so that no two splits of the same bytes collide."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def array_bytes(array: Any) -> bytes:
    """Bytes that name an array's dtype, shape and content, wherever it lives."""
    host = np.ascontiguousarray(array)
    return f"{host.dtype.str}{host.shape}".encode() + host.tobytes()


# --- what was recorded ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """Consecutive steps of one environment between two resets, or the part of them recorded so far.

    Array-likes on any device. `obs` is raw (never normalised; Dict observations are flattened in the order of the
    space), `action` is what the environment executed (after clipping or unscaling).
    """

    id: str
    obs: Array  # (T+1, *obs_shape)
    action: Array  # (T, *action_shape)
    true_reward: Array | None = None  # (T,)
    policy_action: Array | None = None  # (T, *action_shape) as sampled: before PPO's clipping, in [-1, 1] for SAC
    log_prob: Array | None = None  # (T,)
    cost: Channels = field(default_factory=dict)  # name -> (T,)
    factors: Channels = field(default_factory=dict)  # name -> (T,)
    states: Array | None = None  # (T+1, ns) MuJoCo full-physics states
    terminated: bool = False  # a terminal state ended it
    truncated: bool = False  # a time limit ended it
    dt: int = 1  # environment steps per decision
    begin: int = 0  # environment steps the run had taken when it began
    env_id: str = ""
    extras: Channels = field(default_factory=dict)  # name -> (T,)

    def __len__(self) -> int:
        return len(self.action)


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """H consecutive steps of one episode, copied to the host; a clip when rendered.

    Its id is the hash of observations and actions only: never of true reward, factors or frames, so that it can be
    named, compared and asked about without anything privileged.
    """

    id: str
    obs: Array  # (H+1, *obs_shape); the last row is what the last action led to
    action: Array  # (H, *action_shape)
    true_reward: Array | None = None  # (H,); None unless the reader declared it
    policy_action: Array | None = None
    log_prob: Array | None = None
    cost: Channels = field(default_factory=dict)
    factors: Channels = field(default_factory=dict)
    states: Array | None = None  # (H+1, ns)
    terminated: bool = False  # the last step reached a terminal state
    dt: int = 1
    env_id: str = ""
    episode: str = ""  # id of the episode it was cut from
    start: int = 0  # index of its first step there
    extras: Channels = field(default_factory=dict)

    kind = "segment"

    def __len__(self) -> int:
        return len(self.action)

    @staticmethod
    def of(obs: Array, action: Array, **rest: Any) -> Segment:
        """Build a segment and compute its id from `obs` (H+1, ...) and `action` (H, ...)."""
        return Segment(content_hash(array_bytes(obs), array_bytes(action)), obs, action, **rest)


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt and one completion of it: what an LLM policy is judged by."""

    prompt: str
    completion: str

    kind = "text"

    @property
    def id(self) -> str:
        return content_hash(self.prompt.encode(), self.completion.encode())


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A program or a policy, judged by a clip of what it does."""

    name: str
    program: str = ""  # source text, or the path of a saved policy
    clip: Segment | None = None

    kind = "candidate"

    @property
    def id(self) -> str:
        clip = self.clip.id if self.clip is not None else ""
        return content_hash(self.name.encode(), self.program.encode(), clip.encode())


Item = Segment | Text | Candidate


# --- questions and answers -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """K >= 1 items and a question. The id is the hash of run, round and items: a redone round asks nothing twice."""

    id: str
    items: tuple[Item, ...]
    kind: QuestionKind = "pair"
    question: str = "reward"  # "reward" | "cost:<name>" | "similar" | the name of an objective
    why: str = ""
    round: int = 0

    @staticmethod
    def of(
        run: str,
        round: int,
        items: Sequence[Item],
        *,
        kind: QuestionKind = "pair",
        question: str = "reward",
        why: str = "",
    ) -> Query:
        identity = json.dumps([run, round, kind, question, [item.id for item in items]])
        return Query(content_hash(identity.encode()), tuple(items), kind, question, why, round)


@dataclass(frozen=True, slots=True)
class Tiers:
    """Indices of items, best tier first: ((2,), (0, 1)) says item 2 is best, 0 and 1 are tied; absent ones were not ranked."""

    tiers: tuple[tuple[int, ...], ...]

    def ranks(self, k: int) -> tuple[int, ...]:
        """Rank of each of `k` items: 0 best, equal for ties, -1 for items that were not ranked."""
        ranks = [-1] * k
        for rank, tier in enumerate(self.tiers):
            for item in tier:
                ranks[item] = rank
        return tuple(ranks)

    @staticmethod
    def of_ranks(ranks: Sequence[int]) -> Tiers:
        """The inverse of `ranks`: equal ranks share a tier, negative ones are left out."""
        levels = sorted({rank for rank in ranks if rank >= 0})
        return Tiers(tuple(tuple(i for i, rank in enumerate(ranks) if rank == level) for level in levels))


@dataclass(frozen=True, slots=True)
class Grades:
    """One number per item, higher is better (ratings, votes)."""

    grades: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """One value in [0, 1] per item: thumbs, success flags, safe or unsafe."""

    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Triplet:
    """Which of items 1 and 2 resembles item 0 more."""

    closer: Literal[1, 2]


@dataclass(frozen=True, slots=True)
class Choice:
    """The best of K; nothing is said about the rest."""

    best: int


Answer = Tiers | Grades | Binary | Triplet | Choice
ANSWER_KINDS: Mapping[str, type[Answer]] = {
    "tiers": Tiers, "grades": Grades, "binary": Binary, "triplet": Triplet, "choice": Choice,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rationale:
    """Why an answer was given: the factor that decided, the steps where it showed, words."""

    factor: str | None = None
    window: tuple[int, int] | None = None  # first step and one past the last, within the segment
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Preference:
    """One answer to one query by one annotator of one source. A changed mind is a new revision, never an overwrite.

    A skip is an answer with a reason (`rationale.text`) and counts against the budget; an unanswered query stays open.
    """

    id: str
    query_id: str
    source: str
    answer: Answer | None  # None exactly when skipped
    revision: int = 0
    outcome: Literal["answered", "skip"] = "answered"
    annotator: str = "-"
    group: str = "-"  # whose preference it is: a user, an objective, a stratum
    strength: float | None = None  # how much better, in the units of the loss margin
    rationale: Rationale = Rationale()
    shown_order: tuple[int, ...] | None = None
    seconds: float | None = None
    created: float = 0.0  # Unix time

    @staticmethod
    def of(query: Query, answer: Answer | None, *, source: str, **rest: Any) -> Preference:
        """Answer `query`, or skip it with ``answer=None``; the id follows from query, source, annotator and revision."""
        draft = Preference("", query.id, source, answer, outcome="skip" if answer is None else "answered", **rest)
        identity = json.dumps([draft.query_id, draft.source, draft.annotator, draft.revision])
        created = draft.created or time.time()
        return replace(draft, id=content_hash(identity.encode()), created=created)


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """Critique that shows how: a question of a source's own, about a clip and the one it made of it, with its answer."""

    query: Query
    preference: Preference


# --- what a run did ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RewardFit:
    """One update of a reward model."""

    round: int
    step: int  # environment steps taken so far
    preferences: int  # answers it was fitted to
    epochs: float
    loss: float
    accuracy: float
    val_accuracy: float  # held out; NaN while there are too few answers
    seconds: float
    version: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Deterministic episodes of one policy on an untouched environment, per-episode values in the order of the seeds."""

    step: int
    preferences: int
    seeds: tuple[int, ...]
    true_return: tuple[float, ...]
    learned_return: tuple[float, ...]
    length: tuple[int, ...]
    success: tuple[float, ...] | None = None
    rank_correlation: float = float("nan")  # Spearman, learned against true return of segments
    accuracy: float = float("nan")  # of the reward model on random pairs of segments, against true return
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def mean_return(self) -> float:
        return float(np.mean(self.true_return))


# --- what is known of an environment -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Factor:
    """One named quantity per step. Privileged: a term of the designed reward, a function of one, or it helps to rebuild it."""

    name: str
    unit: str = ""
    privileged: bool = True
    summary: str = ""


@dataclass(frozen=True, slots=True)
class EnvInfo:
    """What sources, reward models and prompts may know of an environment without stepping it."""

    id: str
    obs_shape: tuple[int, ...]
    action_shape: tuple[int, ...]
    discrete_actions: int | None = None  # number of actions when the action space is Discrete
    max_episode_steps: int | None = None
    dt: float | None = None  # seconds per step
    factors: Mapping[str, Factor] = field(default_factory=dict)
    costs: tuple[str, ...] = ()
    task: str = ""  # what the robot should do, in words
    observations: tuple[str, ...] = ()  # a name with unit for each observation entry
    has_states: bool = False  # MuJoCo states are recorded, so that clips can be rendered later
    user: int = 0  # of the observation's entries the last so many say whom the policy serves
