"""A suite's YAML in; its axes, grids and seeds out, each name of an axis with the settings it stands for.

    settings: {...}                       of every cell
    environments: {name: settings, ...}   one of each axis is laid over `settings`, in this order
    methods: {name: settings, ...}
    budgets: {name: settings, ...}
    teachers: {name: settings, ...}
    grids: [{methods: [..], ...}, ...]    which combinations; all of them by default

Settings are sections of a run's YAML; inside each, ``extends`` names files relative to the one it stands in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from prefrl.config import mistakes, plugins_of
from prefrl.errors import ConfigError, choices
from prefrl.options import Options
from prefrl.tree import Node, based, branch, merge, read

AXES = ("environments", "methods", "budgets", "teachers")  # in the order in which their settings are laid over
SETTINGS = (*AXES, "settings")  # keys that hold sections of a run
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Grid(Options):
    """Every combination of these; null: all there are."""

    environments: tuple[str, ...] | None = None
    methods: tuple[str, ...] | None = None
    budgets: tuple[str, ...] | None = None
    teachers: tuple[str, ...] | None = None
    seeds: tuple[Seed, ...] | None = None


class Plan(Options):
    """What a suite says beside the settings of its cells."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    summary: str = ""
    results: str | None = Field(None, description="folder, from where the command is given; null: runs/bench/<name>")
    seeds: tuple[Seed, ...] = Field((0, 1, 2, 3, 4), min_length=1)
    grids: tuple[Grid, ...] = Field((Grid(),), min_length=1)
    baseline: str | None = Field(None, description="method that others are compared with; null: the first")
    measure: Literal["normalised return", "success", "held-out accuracy"] = Field(
        "normalised return", description="what methods are compared by"
    )
    ground_truth: bool = Field(True, description="add runs on the true reward, which returns are normalised by")


@dataclass(frozen=True, slots=True)
class Suite:
    """A grid of runs."""

    path: Path
    plan: Plan
    settings: Node
    axes: Mapping[str, Mapping[str, Node]]  # axis -> name -> settings; an axis that is left out has one nameless value

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def results(self) -> Path:
        """Where raw results, tables and plots go."""
        return Path(self.plan.results or f"runs/bench/{self.name}")

    @property
    def baseline(self) -> str:
        """The method that others are compared with."""
        return self.plan.baseline or next(iter(self.axes["methods"]))

    @property
    def plugins(self) -> tuple[str, ...]:
        """Modules that any of its settings names."""
        nodes = [self.settings, *(node for axis in self.axes.values() for node in axis.values())]
        return tuple(dict.fromkeys(name for node in nodes for name in plugins_of(node)))


def is_suite(path: Path) -> bool:
    """Whether the YAML file `path` is one, and not the configuration of a run."""
    tree = read(path)
    return tree.at(("environments",)) is not None


def open_suite(path: Path) -> Suite:
    """Read and check a suite; ConfigError with a place for each mistake."""
    tree = read(path)
    plain = {key: child.plain() for key, child in tree.children.items() if key not in SETTINGS}
    try:
        plan = Plan.model_validate(plain)
    except ValidationError as error:
        found = mistakes(error, Plan, tree, beside=set(SETTINGS))
        raise ConfigError("\n".join(dict.fromkeys(map(str, found)))) from None
    axes = {axis: _values(tree, axis) for axis in AXES}
    settings = tree.at(("settings",))
    suite = Suite(path, plan, branch({}) if settings is None else _laid(settings), axes)
    _check_names(suite, tree)
    return suite


def _values(tree: Node, axis: str) -> Mapping[str, Node]:
    node = tree.at((axis,))
    if node is None or node.value is None:
        if axis in {"environments", "methods"}:
            raise ConfigError(f"{tree.mark}: {axis}: is required: a mapping of names to settings.")
        return {"": branch({})}
    if not isinstance(node.value, Mapping) or not node.value:
        raise ConfigError(f"{node.mark}: {axis}: a mapping of names to settings, not {node.plain()!r}.")
    return {name: _laid(child) for name, child in node.value.items()}


def _laid(node: Node) -> Node:
    """Settings with what they extend beneath them."""
    return based(node, Path(node.mark.source).parent)


def _check_names(suite: Suite, tree: Node) -> None:
    """Grids and the baseline name what there is."""
    for number, grid in enumerate(suite.plan.grids):
        for axis in AXES:
            for name in getattr(grid, axis) or ():
                if name not in suite.axes[axis]:
                    where = tree.nearest(("grids", number, axis)).mark
                    raise ConfigError(f"{where}: grids.{number}.{axis}: no '{name}'. {choices(name, suite.axes[axis])}")
    if suite.baseline not in suite.axes["methods"]:
        where = tree.nearest(("baseline",)).mark
        raise ConfigError(
            f"{where}: baseline: no method '{suite.baseline}'. {choices(suite.baseline, suite.axes['methods'])}"
        )


def combined(*nodes: Node) -> Node:
    """Settings laid one over the other."""
    merged = branch({})
    for node in nodes:
        merged = merge(merged, node)
    return merged
