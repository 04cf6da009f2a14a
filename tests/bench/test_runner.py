from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from prefrl import config
from prefrl.bench.cells import Cell
from prefrl.bench.forecast import forecasts, total
from prefrl.bench.results import Results
from prefrl.bench.rows import WALL_CLOCK, rows_of, to_csv
from prefrl.bench.runner import Manner, run, standing
from prefrl.bench.work import Work, perform
from prefrl.errors import ConfigError, RunError
from prefrl.plugins import PluginHost


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def test_what_is_there_is_not_made_again(cells: list[Cell], results: Results, host: PluginHost, made_up: Any) -> None:
    first = made_up(lambda work: RunError("killed") if work.key == cells[2].key else 5.0)
    run(standing(cells, results, host), results, first, Manner(retries=0), lambda line: None)
    assert len(first.made) == 6
    second = made_up(lambda work: 5.0)
    run(standing(cells, results, host), results, second, Manner(), lambda line: None)
    assert second.made == [cells[2].key]
    now = standing(cells, results, host)
    assert not now.pending
    assert not now.failures


def test_failures_are_retried_after_the_others_and_listed_with_their_log(
    cells: list[Cell], results: Results, host: PluginHost, made_up: Any
) -> None:
    said: list[str] = []
    executor = made_up(lambda work: RunError("no more memory\nat all") if work.key == cells[1].key else 5.0)
    run(standing(cells, results, host), results, executor, Manner(retries=2), said.append)
    assert executor.made == [*(cell.key for cell in cells), cells[1].key, cells[1].key]
    (failure,) = standing(cells, results, host).failures.values()
    assert (failure.cell, failure.attempts, failure.log) == ("Reach, ground truth, seed 1", 3, "line 1\nline 2")
    assert said[1] == "FAILED Reach, ground truth, seed 1: no more memory (it will be tried again)"
    assert said[-1] == "FAILED Reach, ground truth, seed 1: no more memory"
    assert said[0].startswith("[1/6] Reach, ground truth, seed 0: 2.0 s, about ")


def test_an_executor_that_lost_a_call_is_a_failure_too(
    cells: list[Cell], results: Results, host: PluginHost, made_up: Any
) -> None:
    class Losing(made_up):
        def completed(self, function, items):  # type: ignore[no-untyped-def]
            yield from ((number, RunError("the process died")) for number, _ in enumerate(items))

    run(standing(cells[:1], results, host), results, Losing(lambda work: 0.0), Manner(retries=0), lambda line: None)
    (failure,) = standing(cells[:1], results, host).failures.values()
    assert failure.error == "the process died"


def test_a_stored_cell_is_known_by_its_configuration_when_its_key_was_made_by_an_older_version(
    cells: list[Cell], results: Results, host: PluginHost, raw: Any
) -> None:
    text = config.dump(cells[0].settings)
    older = text.replace("  kl: 0.0\n", "")  # an option that did not exist then
    assert older != text
    folder = results.folder / "cells" / "0123456789abcdef"
    folder.mkdir(parents=True)
    for name, content in raw(1.0, config=older).items():
        (folder / name).write_bytes(content)
    assert standing(cells, results, host).finished == {cells[0].key: folder}


def test_one_process_at_a_time_holds_a_results_folder(results: Results) -> None:
    with (
        results.held(),
        pytest.raises(ConfigError, match="another process is running this suite"),
        Results(results.folder).held(),
    ):
        pass


def test_results_csv_says_what_every_run_found(
    cells: list[Cell], results: Results, host: PluginHost, made_up: Any
) -> None:
    values = {
        cells[0].key: 8.0,
        cells[1].key: 12.0,
        cells[2].key: 5.0,
        cells[3].key: RunError("no"),
        cells[4].key: 15.0,
    }
    executor = made_up(lambda work: values[work.key])
    run(standing(cells[:5], results, host), results, executor, Manner(retries=0), lambda line: None)
    rows = list(csv.DictReader(to_csv(rows_of(standing(cells, results, host))[0]).splitlines()))
    assert [(r["method"], r["seed"], r["status"], r["true_return"], r["normalised"]) for r in rows] == [
        ("random actions", "0", "done", "-10.0", "0.0"), ("ground truth", "0", "done", "8.0", "0.9"),
        ("random actions", "1", "done", "-10.0", "0.0"), ("ground truth", "1", "done", "12.0", "1.1"),
        ("uniform", "0", "done", "5.0", "0.75"), ("uniform", "1", "failed", "", ""),
        ("disagreement", "0", "done", "15.0", "1.25"), ("disagreement", "1", "not run", "", ""),
    ]  # fmt: skip
    assert rows[4]["ground_truth"] == f"{cells[0].key} {cells[1].key}"
    assert set(WALL_CLOCK) < rows[0].keys()


def test_predictions_come_from_the_nearest_cells_that_finished(
    cells: list[Cell], results: Results, host: PluginHost, made_up: Any
) -> None:
    now = standing(cells, results, host)
    rough = forecasts(now.pending, now.finished, cells)
    assert len(rough) == 6
    assert all(not forecast.measured and 5 < forecast.seconds < 60 for forecast in rough.values())
    run(standing(cells[:3], results, host), results, made_up(lambda work: 5.0), Manner(), lambda line: None)
    now = standing(cells, results, host)
    measured = forecasts(now.pending, now.finished, cells)
    assert {(forecast.seconds, forecast.measured) for forecast in measured.values()} == {(2.0, True)}
    assert [total(now.pending, measured, jobs) for jobs in (1, 2, 9)] == [6.0, 4.0, 2.0]


def test_a_cell_runs_and_leaves_raw_results_alone_behind(cells: list[Cell], tmp_path: Path) -> None:
    work = Work(cells[2].key, config.dump(cells[2].settings), scratch=str(tmp_path / "scratch"))
    outcome = perform(work)
    assert outcome.error == ""
    assert {"config.yaml", "manifest.json", "evaluations.jsonl", "random.json", "fits.jsonl"} <= outcome.files.keys()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_cell_that_fails_says_why(cells: list[Cell]) -> None:
    text = config.dump(cells[2].settings)
    outcome = perform(Work(cells[2].key, text.replace("prefrl_envs:Reach-v0", "NoSuchTask-v0")))
    assert "NoSuchTask" in outcome.error
    assert not outcome.files
    outcome = perform(
        Work(cells[2].key, text.replace("n_envs: 2", "n_envs: 2, kwargs: {no_such: 1}").replace(", kwargs: {}", ""))
    )
    assert outcome.error
