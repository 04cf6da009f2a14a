"""A policy or recorded episodes in, a data set that people and programs can rank out; nothing is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prefrl.errors import ConfigError
from prefrl.evaluation import Evaluator, named_policy
from prefrl.policies import RandomPolicy
from prefrl.queries.proposals import made, propose
from prefrl.recordings import read
from prefrl.rollout.vectorised import information
from prefrl.segments import SegmentPool
from prefrl.settings import RunSettings
from prefrl.specs import Policy, named_rng
from prefrl.store import DataSet, Store
from prefrl.types import Array, EnvInfo, Episode, Segment


@dataclass(frozen=True, slots=True)
class Collected:
    """What one collection added to a data set."""

    name: str
    env_id: str
    episodes: int
    steps: int
    queries: int  # new ones; asked before are not asked again
    open: int  # of the whole data set, waiting for an answer


def collect(
    settings: RunSettings,
    store: Store,
    name: str,
    *,
    policy: str,
    recorded: str | None,
    episodes: int,
    queries: int,
    seed: int,
) -> Collected:
    """Ask about clips of new episodes, or of `recorded` ones, in the data set `name`: `queries` of `feedback.items` clips each.

    `policy` is "random", a run folder or a saved SB3 policy. Clips are drawn uniformly. Doing the same again adds nothing.
    """
    env = information(settings.env)
    data = store.data_set(name, env)
    if recorded is not None:
        found = read(recorded, env)[:episodes]
    else:
        found = roll_out(settings, env, policy, episodes, seed)
    before = _size(store, name)
    _ask(data, found, queries, settings, named_rng(seed, "collect", name))
    steps = sum(map(len, found))
    return Collected(name, env.id, len(found), steps, _size(store, name) - before, len(data.open_queries()))


def _size(store: Store, name: str) -> int:
    return next(summary.queries for summary in store.data_sets() if summary.name == name)


def _ask(data: DataSet, episodes: Sequence[Episode], n: int, settings: RunSettings, rng: np.random.Generator) -> None:
    items, length = settings.feedback.items, settings.feedback.segment
    pool = SegmentPool(episodes, sum(map(len, episodes)), 1)
    candidates = propose(pool, n, items, length, None, rng)
    data.add_queries(
        made(candidates, [(row, "uniform") for row in range(len(candidates.items))], run=data.name, round=0)
    )


# --- episodes --------------------------------------------------------------------------------------------------------


def roll_out(settings: RunSettings, env: EnvInfo, policy: str, episodes: int, seed: int) -> list[Episode]:
    """Whole episodes of `policy`, whose actions are sampled as in training: one mode of behaviour leaves little to compare."""
    torch.manual_seed(seed)  # what SB3 samples from
    evaluator = Evaluator(settings.env, env)
    seeds = [int(one) for one in named_rng(seed, "collect").integers(2**31, size=episodes)]
    found: list[Episode] = []
    try:
        acting = Sampled(_acting(policy, settings, env, evaluator.action_space(), seed))
        for first in range(0, episodes, settings.env.n_envs):
            found += evaluator.episodes(acting, seeds[first : first + settings.env.n_envs])
    finally:
        evaluator.close()
    return [replace(episode, id=f"{Path(policy).name}/{seed}/{i}") for i, episode in enumerate(found)]


def _acting(name: str, settings: RunSettings, env: EnvInfo, space: Any, seed: int) -> Policy:
    """ "random", the final policy of a run folder, or an SB3 zip of the configuration's algorithm."""
    if name == "random":
        return RandomPolicy(space, seed)
    try:
        return named_policy(name, settings.algo.name, env)
    except ConfigError as error:
        raise ConfigError(f"--policy {error} 'random' needs none.") from error


class Sampled:
    """A policy that draws its actions."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        return self._policy.act(obs, deterministic=False)

    def log_prob(self, obs: Array, action: Array) -> Array:
        return self._policy.log_prob(obs, action)

    def save(self, path: Path) -> None:
        self._policy.save(path)


# --- what there is ---------------------------------------------------------------------------------------------------


def described(store: Store, name: str) -> dict[str, Any]:
    """Everything about a data set but its clips: environment, what is asked, and who answered how much."""
    data = store.data_set(name)
    summary = next(one for one in store.data_sets() if one.name == name)
    current = [preference for _, preference in data.current()]
    open_ids = data.open_queries()
    answers: dict[str, dict[str, int]] = {}
    for (source, outcome), count in sorted(Counter((p.source, p.outcome) for p in current).items()):
        answers.setdefault(source, {})[outcome] = count
    example = next(iter([*open_ids, *(preference.query_id for preference in current)]), None)
    return {
        "name": name,
        "env": data.env.id,
        "created": summary.created,
        "queries": summary.queries,
        "open": len(open_ids),
        "preferences": summary.preferences,
        "answers": answers,
        "annotators": sorted({preference.annotator for preference in current if preference.annotator != "-"}),
        "example": _example(data, example) if example is not None else None,
    }


def _example(data: DataSet, key: str) -> dict[str, Any]:
    query = data.query(key, without={"states", "factors", "cost", "extras"})
    steps = [len(item) for item in query.items if isinstance(item, Segment)]
    seen = all(item.true_reward is not None for item in query.items if isinstance(item, Segment))
    return {
        "kind": query.kind,
        "question": query.question,
        "items": len(query.items),
        "steps": steps,
        "true_reward": seen,
    }
