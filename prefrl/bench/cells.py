"""A suite in, its cells out: the resolved settings of every run that it needs, each with a key of its own.

A cell's key is the hash of its resolved configuration but for what cannot change its result. Its run is named by the key:
names enter the ids of queries, so that a cell gives the same result in every suite, on every machine and in any order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from prefrl import config
from prefrl.bench.suite import AXES, Suite, combined
from prefrl.config import Registry
from prefrl.errors import ConfigError, PrefrlError
from prefrl.settings import RunSettings
from prefrl.tree import DEFAULT, Node, graft
from prefrl.types import content_hash

GROUND_TRUTH = "ground truth"  # the method of the cells that are added
UNTOLD = ("render", "store", "checkpoint")  # sections that change no number
# Sections of preferences, which the ground truth of a task has none of.
TRUTH: Mapping[str, Any] = {
    "pretrain": None, "feedback": {"total": 0}, "reward": {"model": "true_reward"}, "sources": {}, "queries": {},
    "procedure": {},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell stands in its suite."""

    environment: str
    method: str
    budget: str
    teacher: str
    seed: int

    def __str__(self) -> str:
        named = [self.environment, self.method, self.budget, self.teacher]
        return ", ".join([*filter(None, named), f"seed {self.seed}"])


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a suite."""

    place: Place
    key: str
    settings: RunSettings
    privileged: bool  # a source or the reward model sees what gives the designed reward away

    @property
    def is_truth(self) -> bool:
        """Whether it is one that returns are normalised by."""
        return self.place.method == GROUND_TRUTH


def key_of(settings: RunSettings) -> str:
    """16 hexadecimal digits for all that decides the result of a run."""
    essence = {name: value for name, value in config.plain(settings).items() if name not in UNTOLD}
    essence["run"] = {name: value for name, value in essence["run"].items() if name != "name"}
    essence["store"] = settings.store.data_set
    return content_hash(json.dumps(essence, sort_keys=True, default=str).encode())[:16]


def cells_of(suite: Suite, registry: Registry) -> list[Cell]:
    """Every cell once per place, those of the ground truth first within an environment; ConfigError if one cannot be."""
    places = dict.fromkeys(_places(suite))
    found: list[Cell] = []
    for environment in dict.fromkeys(place.environment for place in places):
        own = [place for place in places if place.environment == environment]
        preferring = [_cell(suite, place, registry) for place in own]
        if suite.plan.ground_truth:
            truths = [_truth(suite, environment, seed, registry) for seed in sorted({place.seed for place in own})]
            for cell in preferring:
                _refuse_other_task(cell, truths[0])
            found += truths
        found += preferring
    return found


def _places(suite: Suite) -> Iterator[Place]:
    for grid in suite.plan.grids:
        names = [getattr(grid, axis) or tuple(suite.axes[axis]) for axis in AXES]
        for environment, method, budget, teacher in product(*names):
            for seed in grid.seeds or suite.plan.seeds:
                yield Place(environment, method, budget, teacher, seed)


def _cell(suite: Suite, place: Place, registry: Registry) -> Cell:
    names = (place.environment, place.method, place.budget, place.teacher)
    laid = [suite.axes[axis][name] for axis, name in zip(AXES, names, strict=True)]
    return _resolved(combined(suite.settings, *laid), place, registry)


def _truth(suite: Suite, environment: str, seed: int, registry: Registry) -> Cell:
    """The task and its learner as they are, on the true reward: nothing of methods, budgets and teachers."""
    tree = combined(suite.settings, suite.axes["environments"][environment])
    scale = tree.at(("relabel", "scale"))
    replaced = {**TRUTH, "relabel": {} if scale is None else {"scale": scale.plain()}}
    kept = {name: child for name, child in tree.children.items() if name not in replaced}
    bare = Node({**kept, **graft(replaced, DEFAULT).children}, tree.mark, tree.key)
    return _resolved(bare, Place(environment, GROUND_TRUTH, "", "", seed), registry)


def _resolved(tree: Node, place: Place, registry: Registry) -> Cell:
    seeded = combined(tree, graft({"run": {"seed": place.seed, "name": "cell"}}, DEFAULT))
    try:
        settings = config.resolve(seeded, registry)
    except PrefrlError as error:
        raise type(error)(f"cell '{place}':\n{error}") from error
    key = key_of(settings)
    named = settings.model_copy(update={"run": settings.run.model_copy(update={"name": key})})
    return Cell(place, key, named, _privileged(settings))


def _privileged(settings: RunSettings) -> bool:
    chosen = [settings.reward.options, *(source.options for source in settings.sources.values())]
    return any(bool(getattr(options, "privileged", False)) for options in chosen)


def _refuse_other_task(cell: Cell, truth: Cell) -> None:
    """Only the same task, for the same steps, judged in the same way may be divided by the ground truth."""
    own, other = cell.settings, truth.settings
    differing = [name for name in ("env", "evaluate") if getattr(own, name) != getattr(other, name)]
    if own.algo.n_timesteps != other.algo.n_timesteps:
        differing.append("algo.n_timesteps")
    if differing:
        raise ConfigError(
            f"cell '{cell.place}': {' and '.join(differing)} differ from those of its environment's ground truth, so that no "
            f"return could be normalised; set them in 'settings' or under 'environments'."
        )
