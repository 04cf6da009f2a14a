"""A suite's standing in, its files out: results.csv, tables in three forms, plots, and one report that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from pathlib import Path

from prefrl.bench.figures import Plot, draw
from prefrl.bench.rows import rows_of, to_csv
from prefrl.bench.runner import Standing
from prefrl.bench.suite import Suite
from prefrl.bench.summary import Line, Summary, summarise
from prefrl.bench.tables import Table, in_full, overview
from prefrl.report.words import minus, number, share


@dataclass(frozen=True, slots=True)
class Page:
    """What was written, and what to say of it on a terminal."""

    path: Path
    lines: Sequence[str]


def write(suite: Suite, now: Standing, folder: Path) -> Page:
    """Write everything that the raw results allow; a suite that is not finished says what is missing."""
    rows, scales = rows_of(now)
    summary = summarise(suite, rows, scales)
    table, plots, notes = overview(summary), draw(summary), list(_notes(summary, now))
    folder.mkdir(parents=True, exist_ok=True)
    files = {"results.csv": to_csv(rows), "table.md": f"{table.markdown()}\n", "table.tex": f"{table.latex()}\n"}
    files |= {"table.csv": table.csv(), **{f"{plot.name}.svg": plot.svg for plot in plots}}
    files |= {"report.md": minus("\n".join(_report(summary, table, plots, notes))) + "\n"}
    for name, text in files.items():
        _replace(folder / name, text)
    lines = [*table.plain(), "", *verdicts(summary), *(f"note: {note}" for note in notes)]
    return Page(folder / "report.md", lines)


def _report(summary: Summary, table: Table, plots: Sequence[Plot], notes: Sequence[str]) -> Iterator[str]:
    suite = summary.suite
    yield from (f"# {suite.name}", "")
    yield from (suite.plan.summary, "") if suite.plan.summary else ()
    yield from (*verdicts(summary), "", table.markdown(), "", *_legend(summary), "")
    yield from ("## What to know", "", *(f"* {note}" for note in notes), "") if notes else ()
    for plot in plots:
        yield from (f"## {plot.title}", "", f"![{plot.title}]({plot.name}.svg)", "", plot.caption, "")
    yield from ("## Every seed", "")
    for environment in summary.environments:
        every = in_full(summary, environment)
        yield from (f"### {environment}", "", _scale_sentence(summary, environment), "", every.markdown(), "")
    yield from _how(suite, summary)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def verdicts(summary: Summary) -> Iterator[str]:
    """For each budget and teacher: who has the highest mean, and whether that is more than chance."""
    for budget, teacher in dict.fromkeys((line.budget, line.teacher) for line in summary.rivals):
        rivals = [line for line in summary.rivals if (line.budget, line.teacher) == (budget, teacher)]
        judged = sorted((line for line in rivals if isfinite(line.mean)), key=lambda line: -line.mean)
        where = ", ".join(filter(None, (budget, teacher)))
        start = f"With {where}: " if where else ""
        if len(judged) > 1:
            yield f"{start}{_ranked(summary, judged)}"
        elif judged:
            yield f"{start}{judged[0].label} has a mean {summary.suite.plan.measure} of {share(judged[0].mean)}."


def _ranked(summary: Summary, judged: Sequence[Line]) -> str:
    first, second = judged[:2]
    said = (
        f"{first.label} has the highest mean {summary.suite.plan.measure}, {share(first.mean)}, "
        f"before {second.label} with {share(second.mean)}"
    )
    probability, (low, high) = summary.improvement(first)
    if isnan(probability) or isnan(low):
        return f"{said}."
    sure = "more than chance" if low > 0.5 else "not more than chance could do"
    return (
        f"{said}; it beats {summary.suite.baseline} in {share(probability)} of pairs of runs "
        f"({share(low)} to {share(high)}: {sure})."
    )


def _legend(summary: Summary) -> Iterator[str]:
    yield (
        "Normalised return is (x − R) / (G − R): x the mean of the final policy's deterministic episodes, R and G the means of "
        "random actions and of the ground truth over the suite's seeds; values above 1 are kept. IQM is the interquartile mean "
        "over all runs, its interval a stratified bootstrap over seeds. Bold is computed: the highest of each column among "
        "methods with the same budget and teacher that have all their runs."
    )
    if any(line.privileged for line in summary.lines):
        yield "\n† privileged: it sees factors that give the designed reward away, and is never in bold."


def _notes(summary: Summary, now: Standing) -> Iterator[str]:
    missing = [row for row in summary.rows if row.status == "not run" and row.place.method != "random actions"]
    for failure in now.failures.values():
        yield f"Failed {failure.attempts} times: {failure.cell} ({failure.error.splitlines()[0]})"
    if missing:
        named = "; ".join(str(row.place) for row in missing[:8])
        yield f"Not run: {len(missing)} runs ({named}{'; and others' if len(missing) > 8 else ''})."
    for environment, scale in summary.scales.items():
        if not summary.suite.plan.ground_truth:
            continue
        if isnan(scale.ground_truth):
            yield f"{environment}: no ground-truth run has finished, so that nothing is normalised."
        elif scale.ground_truth <= scale.random:
            yield f"{environment}: the ground truth is no better than random actions, so that nothing is normalised."
    yield from _other_learners(now)
    versions = sorted({row.version for row in summary.rows if row.version})
    if len(versions) > 1:
        yield f"Made with several versions of prefrl: {', '.join(versions)}."


def _other_learners(now: Standing) -> Iterator[str]:
    """Methods whose learner is another one than the ground truth's: the yardstick is the task's own learner."""
    truths = {cell.place.environment: cell.settings.algo for cell in now.cells if cell.is_truth}
    differing: dict[str, set[str]] = {}
    for cell in now.cells:
        truth = truths.get(cell.place.environment)
        if truth is not None and cell.settings.algo != truth:
            differing.setdefault(cell.place.method, set()).add(cell.place.environment)
    for method, environments in differing.items():
        yield f"{method} has other settings of the learner than the ground truth in {', '.join(sorted(environments))}."


def _scale_sentence(summary: Summary, environment: str) -> str:
    scale = summary.scales[environment]
    return f"Random actions {number(scale.random)}, ground truth {number(scale.ground_truth)} (means over the seeds)."


def _how(suite: Suite, summary: Summary) -> Iterator[str]:
    yield from ("## How to repeat it", "", "```sh", f"prefrl bench {suite.path}", "```", "")
    versions = sorted({row.version for row in summary.rows if row.version})
    yield (
        f"Every run is a line of `results.csv`; configuration, evaluations and what it was made with are under `cells/` "
        f"by its key. prefrl {', '.join(versions) or 'unknown'}."
    )
