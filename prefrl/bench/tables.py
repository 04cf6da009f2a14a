"""A summary in, its tables out as Markdown, LaTeX, CSV and plain text; what is emphasised is computed, never marked by hand."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from prefrl.bench.summary import Line, Summary
from prefrl.report.words import DASH, count, duration, interval, number, share
from prefrl.statistics import bootstrap_interval, iqm

ESCAPED = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"†": r"\dag{}", "–": "--", "±": r"$\pm$", "~": r"\textasciitilde{}"}
)


@dataclass(frozen=True)
class Cell:
    """One entry: what is read, the number behind it, and whether it is the best of its column."""

    text: str
    value: float | str = ""
    best: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first column names the row."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def markdown(self) -> str:
        lines = ["| " + " | ".join(self.header) + " |", "|---|" + "---:|" * (len(self.header) - 1)]
        for row in self.rows:
            texts = [f"**{cell.text}**" if cell.best else cell.text for cell in row]
            lines.append("| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |")
        return "\n".join(lines)

    def latex(self) -> str:
        """A tabular with booktabs' rules."""
        lines = [rf"\begin{{tabular}}{{l{'r' * (len(self.header) - 1)}}}", r"\toprule"]
        lines += [" & ".join(name.translate(ESCAPED) for name in self.header) + r" \\", r"\midrule"]
        for row in self.rows:
            texts = [
                text if not cell.best else rf"\textbf{{{text}}}"
                for cell in row
                for text in [cell.text.translate(ESCAPED)]
            ]
            lines.append(" & ".join(texts) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])

    def csv(self) -> str:
        """Numbers with every digit; the last column names the columns in which the row is best."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.header, "best"])
        for row in self.rows:
            best = [name for name, cell in zip(self.header, row, strict=True) if cell.best]
            writer.writerow([*(_plain(cell) for cell in row), " ".join(best)])
        return text.getvalue()

    def plain(self) -> list[str]:
        """For a terminal; the best are marked by an asterisk."""
        rows = [self.header, *(tuple(f"{cell.text}{'*' if cell.best else ''}" for cell in row) for row in self.rows)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.header))]
        return [
            "  ".join(
                text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]


def _plain(cell: Cell) -> str:
    if isinstance(cell.value, float):
        return repr(cell.value) if isfinite(cell.value) else ""
    return cell.value or cell.text


def overview(summary: Summary) -> Table:
    """Every method over all environments: the table that a paper prints."""
    environments = summary.environments
    many = len(environments) > 1
    header = ["method", *environments, *(["mean", "IQM"] if many else ["IQM"]), "95% interval", "optimality gap"]
    compared = any(summary.baseline_of(line) for line in summary.rivals)
    header += [f"P(better than {summary.suite.baseline})"] if compared else []
    header += ["labels", "runs"]
    measures: list[Callable[[Line], float]] = [_mean_in(environment) for environment in environments]
    measures += [lambda line: line.mean] if many else []
    measures += [lambda line: line.iqm]
    best = [summary.best(measure) for measure in measures]
    rows = []
    for line in summary.lines:
        cells = [Cell(line.label)]
        cells += [Cell(share(m(line)), m(line), line in top) for m, top in zip(measures, best, strict=True)]
        cells += [Cell(interval(line.interval), _bounds(line.interval)), Cell(share(line.gap), line.gap)]
        cells += [_improvement(summary, line)] if compared else []
        labels = count(line.labels) if line.rival else DASH
        cells += [Cell(labels), Cell(f"{line.done}/{line.wanted}")]
        rows.append(tuple(cells))
    return Table(summary.suite.plan.measure, tuple(header), tuple(rows))


def _mean_in(environment: str) -> Callable[[Line], float]:
    def mean(line: Line) -> float:
        scores = line.of(environment, line.score)
        return float(np.mean(scores)) if scores else nan

    return mean


def _improvement(summary: Summary, line: Line) -> Cell:
    probability, bounds = summary.improvement(line)
    return Cell(f"{share(probability)} {interval(bounds)}" if isfinite(probability) else DASH, probability)


def _bounds(bounds: tuple[float, float]) -> str:
    return " ".join(repr(bound) for bound in bounds) if all(map(isfinite, bounds)) else ""


def in_full(summary: Summary, environment: str) -> Table:
    """Every seed of every method in one environment, never hidden in a mean."""
    header = (
        "method",
        "return of each seed",
        "score of each seed",
        "mean",
        "IQM",
        "95% interval",
        "accuracy",
        "time",
    )
    of_mean = _mean_in(environment)
    best, best_iqm = summary.best(of_mean), summary.best(_iqm_in(environment))
    rows = []
    for line in summary.lines:
        if environment not in line.rows:
            continue
        returns, scores = (line.of(environment, m) for m in (lambda r: r.true_return, line.score))
        accuracy = line.of(environment, lambda row: row.accuracy)
        seconds = line.of(environment, lambda row: row.seconds)
        mean, middle = of_mean(line), _iqm_in(environment)(line)
        bounds = bootstrap_interval([scores])
        rows.append((
            Cell(line.label), Cell(_each(returns, number)), Cell(_each(scores, share)), Cell(share(mean), mean, line in best),
            Cell(share(middle), middle, line in best_iqm), Cell(interval(bounds), _bounds(bounds)),
            Cell(share(float(np.mean(accuracy))) if accuracy and line.rival else DASH),
            Cell(duration(float(np.mean(seconds))) if seconds else DASH),
        ))  # fmt: skip
    return Table(environment, header, tuple(rows))


def _iqm_in(environment: str) -> Callable[[Line], float]:
    def middle(line: Line) -> float:
        scores = line.of(environment, line.score)
        return iqm(scores) if scores else nan

    return middle


def _each(values: Sequence[float], words: Callable[[float], str]) -> str:
    return ", ".join(map(words, values)) or DASH
