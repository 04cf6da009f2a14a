"""A comparison in, its tables as text cells out: one source for the page, for Markdown and for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prefrl.report.comparison import Comparison, Row
from prefrl.report.folder import Run
from prefrl.report.words import DASH, count, duration, interval, listed, number, percent, share


@dataclass(frozen=True)
class Line:
    """One row of cells; `focal` is the arm of this report, `best` the highest of several preference arms."""

    cells: tuple[str, ...]
    role: str
    focal: bool
    best: bool = False


@dataclass(frozen=True)
class Table:
    """Cells with a header; the first column names the row, the others are numbers."""

    header: tuple[str, ...]
    lines: tuple[Line, ...]


def headline(comparison: Comparison) -> Table:
    """Random, preferences, ground truth: the table that the run was made for."""
    many = any(len(row.returns) > 1 for row in comparison.rows if row.role != "random")
    header = ["method", f"mean return of {_episodes(comparison)}", "normalised return"]
    header += ["IQM over seeds", "95% interval"] if many else []
    header += ["labels", "steps", "wall-clock", "seeds"]
    return Table(tuple(header), tuple(_line(row, many) for row in comparison.rows))


def seeds(comparison: Comparison) -> Table | None:
    """Every seed of every arm, never hidden in a mean; None where each arm has one."""
    if all(len(arm.runs) < 2 for arm in comparison.arms):
        return None
    lines = []
    for arm in comparison.arms:
        row = next(row for row in comparison.rows if row.label == arm.label)
        for run, normalised in zip(arm.runs, row.normalised, strict=True):
            returns = run.evaluations[-1].true_return
            cells = (
                f"{arm.label}, seed {run.seed}",
                number(float(np.mean(returns))),
                number(float(np.std(returns))),
                share(normalised),
                run.name,
            )
            lines.append(Line(cells, arm.role, run is comparison.focal))
    return Table(("seed", "mean return", "std over its episodes", "normalised return", "run"), tuple(lines))


def answers(run: Run) -> Table | None:
    """Who answered, how their answers agree with the true return, and where it was learned, how far they are trusted."""
    if not run.answers:
        return None
    learned = reliability(run)
    lines = []
    for row in run.answers:
        source = row["source"]
        name = f"{source}, decided by {row['factor']}" if row["factor"] else source
        right = percent(row["right"] / row["pairs"]) if row["pairs"] else DASH
        cells = [name, count(row["answered"]), count(row["skipped"]), count(row["pairs"]), right]
        if learned:
            cells.append(percent(learned[source]) if source in learned and not row["factor"] else DASH)
        lines.append(Line(tuple(cells), "source", focal=False))
    header = ["source", "answered", "skipped", "pairs compared", "agreement with the true return"]
    if learned:
        header.append("learned reliability")
        people = [(name, value) for name, value in learned.items() if "/" in name]
        lines += [Line((name, *[DASH] * 4, percent(value)), "source", focal=False) for name, value in people]
    return Table(tuple(header), tuple(lines))


def reliability(run: Run) -> dict[str, float]:
    """Probability that an answer is right as the last fit has learned it, by source and by `<source>/<annotator>`."""
    metrics = run.fits[-1].metrics if run.fits else {}
    return {
        name.removeprefix("reliability/"): value for name, value in metrics.items() if name.startswith("reliability/")
    }


def plain(table: Table) -> list[str]:
    """The table for a terminal: aligned columns, an arrow at the row of this run."""
    rows = [table.header, *(line.cells for line in table.lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.header))]
    marks = [" ", *(">" if line.focal else " " for line in table.lines)]
    text = [f"{mark} {_aligned(row, widths)}" for mark, row in zip(marks, rows, strict=True)]
    return [text[0], "  " + "  ".join("-" * width for width in widths), *text[1:]]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest])


def _line(row: Row, many: bool) -> Line:
    cells = [row.label, number(row.mean), share(row.mean_normalised)]
    if many:
        several = row.role != "random" and len(row.returns) > 1
        cells += [share(row.iqm), interval(row.interval)] if several else [DASH, DASH]
    cells += [count(row.labels), count(row.steps), duration(row.seconds), listed(row.seeds)]
    return Line(tuple(cells), row.role, row.focal, row.best)


def _episodes(comparison: Comparison) -> str:
    counts = {len(run.evaluations[-1].true_return) for arm in comparison.arms for run in arm.runs}
    which = "final" if comparison.focal.status == "ok" else "last evaluated"
    return f"the {counts.pop()} {which} episodes" if len(counts) == 1 else f"the {which} episodes"
