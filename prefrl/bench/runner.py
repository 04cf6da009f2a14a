"""Cells, a results folder and an executor in; every cell's raw results in the folder out, failures retried and listed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefrl import config
from prefrl.bench.cells import Cell
from prefrl.bench.results import Failure, Results
from prefrl.bench.work import Outcome, Work, perform
from prefrl.config import Registry
from prefrl.report.words import duration
from prefrl.specs import Executor

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a suite is."""

    cells: tuple[Cell, ...]
    finished: Mapping[str, Path]  # key -> folder
    failures: Mapping[str, Failure]  # of this suite's cells that have not finished

    @property
    def distinct(self) -> int:
        """Cells without those that stand in two places."""
        return len({cell.key for cell in self.cells})

    @property
    def pending(self) -> list[Cell]:
        """What is to be run, each once."""
        missing = {cell.key: cell for cell in self.cells if cell.key not in self.finished}
        return list(missing.values())


def standing(cells: Sequence[Cell], results: Results, registry: Registry) -> Standing:
    """What is there, what is not."""
    finished = results.finished(cells, registry)
    keys = {cell.key for cell in cells} - finished.keys()
    failures = {key: failure for key, failure in results.failures().items() if key in keys}
    return Standing(tuple(cells), finished, failures)


@dataclass(frozen=True, slots=True)
class Manner:
    """How cells are run."""

    retries: int = 1  # how often a cell that failed is tried again, after the others
    plugins_dir: Path | None = None
    elsewhere: bool = False  # on machines that do not see the results folder


def run(now: Standing, results: Results, executor: Executor, manner: Manner, say: Say) -> None:
    """Run what is missing; raw results are stored as each cell ends, so that nothing finished is ever lost."""
    progress = _Progress(len(now.pending), now.distinct, say)
    pending = now.pending
    for attempt in range(manner.retries + 1):
        works = [_work(cell, results, manner) for cell in pending]
        failed = []
        for number, result in executor.completed(perform, works):
            cell = pending[number]
            outcome = result if isinstance(result, Outcome) else Outcome(cell.key, {}, 0.0, str(result))
            if outcome.error:
                results.fail(cell, outcome)
                failed.append(cell)
                progress.failed(cell, outcome, again=attempt < manner.retries)
            else:
                results.keep(outcome)
                progress.finished(cell, outcome)
        pending = failed


def _work(cell: Cell, results: Results, manner: Manner) -> Work:
    folder = str(manner.plugins_dir.resolve()) if manner.plugins_dir is not None else None
    scratch = None if manner.elsewhere else str(results.scratch.resolve())
    return Work(cell.key, config.dump(cell.settings), folder, scratch)


class _Progress:
    """One line per cell that ends."""

    def __init__(self, missing: int, cells: int, say: Say) -> None:
        self._missing, self._cells, self._say = missing, cells, say
        self._done = 0
        self._started = time.monotonic()

    def finished(self, cell: Cell, outcome: Outcome) -> None:
        self._done += 1
        there = self._cells - self._missing + self._done
        spent = time.monotonic() - self._started
        left = spent / self._done * (self._missing - self._done)
        self._say(f"[{there}/{self._cells}] {cell.place}: {duration(outcome.seconds)}, about {duration(left)} left")

    def failed(self, cell: Cell, outcome: Outcome, *, again: bool) -> None:
        first = outcome.error.splitlines()[0] if outcome.error else ""
        self._say(f"FAILED {cell.place}: {first}{' (it will be tried again)' if again else ''}")
