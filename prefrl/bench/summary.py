"""Records of runs in, methods compared over tasks and seeds out: every number of the tables and plots, and what is best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, nan

import numpy as np

from prefrl.bench.cells import GROUND_TRUTH
from prefrl.bench.rows import RANDOM, Row, Scale
from prefrl.bench.suite import Suite
from prefrl.statistics import (
    bootstrap_interval,
    improvement_interval,
    iqm,
    optimality_gap,
    probability_of_improvement,
)

Interval = tuple[float, float]
UNKNOWN: Interval = (nan, nan)


@dataclass(frozen=True, eq=False)
class Line:
    """A method with one budget and teacher, over all environments."""

    method: str
    budget: str
    teacher: str
    name: str  # the method, with budget and teacher where the suite has several
    measure: str  # what methods are compared by
    rows: Mapping[str, tuple[Row, ...]]  # environment -> its runs, by seed

    def score(self, row: Row) -> float:
        """Of one run."""
        return row.score(self.measure)

    @property
    def rival(self) -> bool:
        """Whether it is a method, and not what methods are measured by."""
        return self.method not in {RANDOM, GROUND_TRUTH}

    @property
    def label(self) -> str:
        """Its name in a table or a legend, with a dagger if it is privileged."""
        return f"{self.name} †" if self.privileged else self.name

    @property
    def privileged(self) -> bool:
        return any(row.privileged for rows in self.rows.values() for row in rows)

    @property
    def wanted(self) -> int:
        """Runs it should have."""
        return sum(map(len, self.rows.values()))

    @property
    def done(self) -> int:
        """Runs it has."""
        return sum(row.status == "done" for rows in self.rows.values() for row in rows)

    @property
    def items(self) -> int:
        """Clips per question."""
        return max((row.items for rows in self.rows.values() for row in rows if row.status == "done"), default=2)

    @property
    def labels(self) -> int:
        """Answers that the run with most of them used."""
        return max((row.labels for rows in self.rows.values() for row in rows), default=0)

    def of(self, environment: str, measure: Callable[[Row], float]) -> tuple[float, ...]:
        """One value per seed that has one."""
        values = [measure(row) for row in self.rows.get(environment, ()) if row.status == "done"]
        return tuple(value for value in values if isfinite(value))

    @cached_property
    def tasks(self) -> tuple[tuple[float, ...], ...]:
        """Scores, one tuple of seeds per environment that has any."""
        each = (self.of(environment, self.score) for environment in self.rows)
        return tuple(scores for scores in each if scores)

    @cached_property
    def mean(self) -> float:
        """Over environments, of the means over seeds."""
        return float(np.mean([np.mean(scores) for scores in self.tasks])) if self.tasks else nan

    @cached_property
    def iqm(self) -> float:
        return iqm(np.concatenate(self.tasks)) if self.tasks else nan

    @cached_property
    def interval(self) -> Interval:
        """95% of the IQM, seeds resampled within environments."""
        return bootstrap_interval(self.tasks)

    @cached_property
    def gap(self) -> float:
        return float(optimality_gap(np.concatenate(self.tasks))) if self.tasks else nan

    @property
    def seconds(self) -> float:
        """Mean wall-clock of a run."""
        known = [row.seconds for rows in self.rows.values() for row in rows if isfinite(row.seconds)]
        return float(np.mean(known)) if known else nan


@dataclass(frozen=True, eq=False)
class Summary:
    """What a suite found."""

    suite: Suite
    lines: tuple[Line, ...]  # random actions first, ground truth last
    scales: Mapping[str, Scale]
    rows: tuple[Row, ...]

    @property
    def environments(self) -> tuple[str, ...]:
        return tuple(self.scales)

    @property
    def rivals(self) -> list[Line]:
        """The methods."""
        return [line for line in self.lines if line.rival]

    def baseline_of(self, line: Line) -> Line | None:
        """The baseline with the same budget and teacher; none for itself."""
        name = self.suite.baseline
        same = [o for o in self.rivals if (o.method, o.budget, o.teacher) == (name, line.budget, line.teacher)]
        return same[0] if same and line.rival and same[0] is not line else None

    def improvement(self, line: Line) -> tuple[float, Interval]:
        """Chance that a run of `line` is better than one of its baseline, over environments that both have; 95% interval."""
        other = self.baseline_of(line)
        shared = [
            (ours, theirs)
            for environment in line.rows
            if other is not None
            and (ours := line.of(environment, line.score))
            and (theirs := other.of(environment, line.score))
        ]
        if not shared:
            return nan, UNKNOWN
        left, right = [pair[0] for pair in shared], [pair[1] for pair in shared]
        return probability_of_improvement(left, right), improvement_interval(left, right)

    def best(self, value: Callable[[Line], float]) -> set[Line]:
        """Per budget and teacher the complete unprivileged methods with the highest `value`, where there are two or more."""
        best: set[Line] = set()
        for budget, teacher in {(line.budget, line.teacher) for line in self.rivals}:
            rivals = [
                line
                for line in self.rivals
                if (line.budget, line.teacher) == (budget, teacher)
                and line.done == line.wanted
                and not line.privileged
                and isfinite(value(line))
            ]
            if len(rivals) > 1:
                highest = max(value(line) for line in rivals)
                best |= {line for line in rivals if value(line) == highest}
        return best


def summarise(suite: Suite, rows: Sequence[Row], scales: Mapping[str, Scale]) -> Summary:
    """Gather the rows of each method, budget and teacher."""
    gathered: dict[tuple[str, str, str], dict[str, list[Row]]] = {}
    for row in rows:
        p = row.place
        gathered.setdefault((p.method, p.budget, p.teacher), {}).setdefault(p.environment, []).append(row)
    budgets, teachers = ({name[i] for name in gathered if name[i]} for i in (1, 2))

    def called(method: str, budget: str, teacher: str) -> str:
        parts = (method, budget if len(budgets) > 1 else "", teacher if len(teachers) > 1 else "")
        return ", ".join(filter(None, parts))

    lines = [
        Line(
            *name,
            called(*name),
            suite.plan.measure,
            {env: tuple(sorted(own, key=lambda row: row.place.seed)) for env, own in by_env.items()},
        )
        for name, by_env in gathered.items()
    ]
    order = [line for line in lines if line.method == RANDOM]
    order += [line for line in lines if line.rival]
    order += [line for line in lines if line.method == GROUND_TRUTH]
    return Summary(suite, tuple(order), scales, tuple(rows))
