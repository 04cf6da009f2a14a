"""A seed comes in; clips, episodes, questions, a pool and contexts of a tiny MuJoCo task go out. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from prefrl.segments import SegmentPool
from prefrl.sources.guard import VisiblePool, hidden, hide
from prefrl.specs import AskContext, BuildContext, Candidates, Needs
from prefrl.types import Array, EnvInfo, Episode, Factor, Query, QuestionKind, Segment

TASK = "InvertedPendulum-v5"  # thousands of steps a second
STEPS = 12  # of a clip
NAME = "asked_as"  # under which everything is built: never the name it is offered under
ENV = EnvInfo(
    TASK,
    obs_shape=(4,),
    action_shape=(1,),
    max_episode_steps=1000,
    dt=0.04,
    factors={"tilt": Factor("tilt", "rad", privileged=False), "speed": Factor("speed", "m/s", privileged=True)},
    costs=("energy",),
    task="Balance the pole.",
    observations=("cart position [m]", "pole angle [rad]", "cart velocity [m/s]", "pole velocity [rad/s]"),
    has_states=True,
)
PRIVILEGED = frozenset(name for name, factor in ENV.factors.items() if factor.privileged)
ITEMS: Mapping[str, int] = {"pair": 2, "ranking": 4, "choice": 3, "grade": 2, "binary": 1, "similarity": 3}


def episodes(n: int = 4, steps: int = 40, seed: int = 0) -> list[Episode]:
    """Ended episodes of random numbers with every channel filled."""
    return [Episode(f"example/{i}", **_channels(steps, [seed, i]), truncated=True, env_id=TASK) for i in range(n)]


def segments(n: int = 8, steps: int = STEPS, seed: int = 0) -> list[Segment]:
    """Clips of random numbers with every channel filled."""
    return [
        Segment.of(**_channels(steps, [seed, i]), env_id=TASK, episode=f"example/{i}", start=3)
        for i in range(n)
    ]  # fmt: skip


def _channels(steps: int, seed: Sequence[int]) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "obs": rng.normal(size=(steps + 1, 4)),
        "action": rng.uniform(-3, 3, size=(steps, 1)).astype(np.float32),
        "true_reward": rng.normal(size=steps),
        "policy_action": rng.normal(size=(steps, 1)).astype(np.float32),
        "log_prob": -rng.random(steps),
        "cost": {"energy": rng.random(steps)},
        "factors": {"tilt": rng.normal(size=steps), "speed": rng.normal(size=steps)},
        "states": rng.normal(size=(steps + 1, 5)),
    }


@cache
def questions(kind: QuestionKind) -> Sequence[Query]:
    """Six questions, made once."""
    return tuple(queries(kind))


def queries(kind: QuestionKind = "pair", n: int = 6, seed: int = 0) -> list[Query]:
    """`n` questions, each about clips of its own."""
    k = ITEMS[kind]
    clips = segments(n * k, seed=seed)
    question = "similar" if kind == "similarity" else "reward"
    return [Query.of("example", 0, clips[i * k : (i + 1) * k], kind=kind, question=question) for i in range(n)]


def visible(asked: Sequence[Query], needs: Needs) -> list[Query]:
    """Questions as a source with these needs gets them."""
    return [hide(query, needs, PRIVILEGED) for query in asked]


def seen_by_model(recorded: Sequence[Episode], needs: Needs) -> list[Episode]:
    """Episodes as a reward model with these needs gets them."""
    return [hidden(episode, needs, PRIVILEGED) for episode in recorded]


def pool(seed: int = 0) -> SegmentPool:
    """A thousand recorded steps."""
    return SegmentPool(episodes(25, seed=seed), steps=1000, stride=1)


def candidates(
    k: int = 2, proposals: int = 12, members: int | None = 3, labelled: int = 2, seed: int = 0
) -> Candidates:
    """Proposals of `k` clips each; `members` is None before the first fit."""
    clips = segments((proposals + labelled) * k, seed=seed)
    rows = np.arange(len(clips)).reshape(-1, k)
    rng = np.random.default_rng(seed)
    returns = None if members is None else rng.normal(size=(members, proposals * k))
    return Candidates(clips, rows[:proposals], rows[proposals:], returns)


class RandomPolicy:
    """Acts at random, the same for the same observations."""

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        return np.asarray(np.tanh(obs.sum(axis=-1, keepdims=True)), np.float32)

    def log_prob(self, obs: Array, action: Array) -> Array:
        return np.full(len(obs), -1.0)

    def save(self, path: Path) -> None:
        path.write_text("random", encoding="utf-8")


def build_context(folder: Path, seed: int = 0) -> BuildContext:
    """What a builder is given."""

    def make_env() -> Any:
        import gymnasium

        return gymnasium.make(TASK)

    return BuildContext("example", NAME, seed, ENV, folder=folder, make_env=make_env)


def ask_context(needs: Needs, seed: int = 0) -> AskContext:
    """What a source is given with the questions: fields it does not need are empty."""
    recorded = VisiblePool(pool(), needs, PRIVILEGED) if "pool" in needs else None
    policy = RandomPolicy() if "policy" in needs else None
    return AskContext(1000, 1, np.random.default_rng(seed), policy, recorded)
