from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prefrl.bench.cells import Cell, cells_of
from prefrl.bench.page import verdicts, write
from prefrl.bench.results import Results
from prefrl.bench.rows import rows_of
from prefrl.bench.runner import Manner, Standing, run, standing
from prefrl.bench.suite import Suite, open_suite
from prefrl.bench.summary import summarise
from prefrl.bench.tables import overview
from prefrl.plugins import PluginHost

# final returns of (method, seed) on each task; random actions have -10, the ground truth 10 and 10
VALUES = {("uniform", 0): 0.0, ("uniform", 1): 2.0, ("disagreement", 0): 6.0, ("disagreement", 1): 8.0}


@pytest.fixture
def finished(suite: Suite, cells: list[Cell], host: PluginHost, tmp_path: Path, made_up: Any) -> Standing:
    return _finished(cells, host, tmp_path, made_up)


def _finished(cells: list[Cell], host: PluginHost, folder: Path, made_up: Any) -> Standing:
    results = Results(folder / "results")
    values = {cell.key: VALUES.get((cell.place.method, cell.place.seed), 10.0) for cell in cells}
    run(standing(cells, results, host), results, made_up(lambda work: values[work.key]), Manner(), lambda line: None)
    return standing(cells, results, host)


def test_the_table_compares_methods_and_marks_the_best_by_itself(suite: Suite, finished: Standing) -> None:
    table = overview(summarise(suite, *rows_of(finished)))
    assert table.header == (
        "method", "Reach", "IQM", "95% interval", "optimality gap", "P(better than uniform)", "labels", "runs",
    )  # fmt: skip
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["random actions", "0.00", "0.00", "[0.00, 0.00]", "1.00", "–", "–", "2/2"],
        ["uniform", "0.55", "0.55", "[0.50, 0.60]", "0.45", "–", "8", "2/2"],
        ["disagreement", "0.85", "0.85", "[0.80, 0.90]", "0.15", "1.00 [1.00, 1.00]", "8", "2/2"],
        ["ground truth", "1.00", "1.00", "[1.00, 1.00]", "0.00", "–", "–", "2/2"],
    ]  # fmt: skip
    assert [[cell.best for cell in row] for row in table.rows[1:3]] == [[False] * 8, [False, True, True, *[False] * 5]]
    assert "| disagreement | **0.85** | **0.85** |" in table.markdown()
    assert r"disagreement & \textbf{0.85} & \textbf{0.85}" in table.latex()
    assert r"95\% interval" in table.latex()
    rows = list(csv.DictReader(table.csv().splitlines()))
    assert (rows[2]["Reach"], rows[2]["best"], rows[1]["best"]) == ("0.8500000000000001", "Reach IQM", "")
    assert "  0.85*  0.85*  " in table.plain()[3]


def test_verdicts_are_computed(suite: Suite, finished: Standing) -> None:
    (said,) = verdicts(summarise(suite, *rows_of(finished)))
    assert said == (
        "With 8 pairs, oracle: disagreement has the highest mean normalised return, 0.85, before uniform with 0.55; it beats "
        "uniform in 1.00 of pairs of runs (1.00 to 1.00: more than chance)."
    )


def test_what_is_written_is_the_same_again_and_says_what_is_missing(
    suite: Suite, cells: list[Cell], finished: Standing, tmp_path: Path, host: PluginHost
) -> None:
    written = write(suite, finished, tmp_path / "a")
    write(suite, finished, tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [
        "curves.svg", "iqm.svg", "profiles.svg", "report.md", "results.csv", "table.csv", "table.md", "table.tex",
    ]  # fmt: skip
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert not any(line.startswith("note:") for line in written.lines)
    part = Standing(tuple(cells), {cells[0].key: finished.finished[cells[0].key]}, {})
    page = write(suite, part, tmp_path / "c").path.read_text(encoding="utf-8")
    assert "* Not run: 5 runs (Reach, ground truth, seed 1; Reach, uniform, 8 pairs, oracle, seed 0;" in page
    assert "| uniform | – | – |" in page


def test_a_privileged_method_is_marked_and_never_best(
    tiny: Path, host: PluginHost, tmp_path: Path, made_up: Any
) -> None:
    text = tiny.read_text(encoding="utf-8")
    text = text.replace(
        "{queries: {selector: disagreement}}", "{sources: {heron: {ranking: [{distance: less}], privileged: true}}}"
    )
    text = text.replace("settings:", "grids: [{methods: [uniform]}, {methods: [disagreement]}]\nsettings:")
    tiny.write_text(text, encoding="utf-8")
    suite = open_suite(tiny)
    now = _finished(cells_of(suite, host), host, tmp_path, made_up)
    table = overview(summarise(suite, *rows_of(now)))
    assert [row[0].text for row in table.rows[1:3]] == ["uniform", "disagreement †"]
    assert not any(cell.best for row in table.rows for cell in row)


def test_budgets_and_teachers_are_compared_with_their_own(
    tiny: Path, host: PluginHost, tmp_path: Path, made_up: Any
) -> None:
    text = tiny.read_text(encoding="utf-8").replace("8 pairs: {}", "4 pairs: {feedback: {total: 4}}\n  8 pairs: {}")
    tiny.write_text(text, encoding="utf-8")
    suite = open_suite(tiny)
    now = _finished(cells_of(suite, host), host, tmp_path, made_up)
    table = overview(summarise(suite, *rows_of(now)))
    names = [row[0].text for row in table.rows if row[1].best]
    assert names == ["disagreement, 4 pairs", "disagreement, 8 pairs"]


def test_methods_are_compared_by_what_the_suite_says(
    tiny: Path, host: PluginHost, tmp_path: Path, made_up: Any
) -> None:
    text = tiny.read_text(encoding="utf-8").replace("seeds:", "measure: held-out accuracy\nground_truth: false\nseeds:")
    tiny.write_text(text, encoding="utf-8")
    suite = open_suite(tiny)
    now = _finished(cells_of(suite, host), host, tmp_path, made_up)
    rows, scales = rows_of(now)
    rows = [replace(row, val_accuracy=0.9 if row.place.method == "uniform" else 0.7) for row in rows]
    summary = summarise(suite, rows, scales)
    table = overview(summary)
    assert [(row[0].text, row[1].text) for row in table.rows] == [("uniform", "0.90"), ("disagreement", "0.70")]
    assert next(iter(verdicts(summary))).startswith(
        "With 8 pairs, oracle: uniform has the highest mean held-out accuracy, 0.90"
    )
