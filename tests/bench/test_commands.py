from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prefrl.bench.work import Work
from prefrl.cli import main
from prefrl.errors import RunError
from prefrl.executors import local


@pytest.fixture
def there(tiny: Path, monkeypatch: pytest.MonkeyPatch, made_up: Any) -> Path:
    """The suite's folder as working directory, and an executor that needs no time."""
    monkeypatch.chdir(tiny.parent)
    monkeypatch.setattr(
        local, "LocalExecutor", lambda options: made_up(lambda work: 5.0 if "true" not in work.config else 9.0)
    )
    return tiny


def test_bench_runs_what_is_missing_and_writes_the_report(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "suite.yaml", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "tiny: 6 runs, 0 finished, 6 to be run" in said
    assert "6 by a rough count, because nothing like them has finished" in said
    assert not (there.parent / "results").exists()
    assert main(["bench", "suite.yaml", "--jobs", "2"]) == 0
    assert "report: results/report.md" in capsys.readouterr().out
    first = (there.parent / "results" / "results.csv").read_bytes()
    assert main(["bench", "run", "suite.yaml"]) == 0
    assert "[1/6]" not in capsys.readouterr().out
    assert (there.parent / "results" / "results.csv").read_bytes() == first


def test_bench_fails_when_runs_are_missing_and_status_says_which(
    there: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, made_up: Any
) -> None:
    def fails(work: Work) -> float | Exception:
        learned = "true_reward" not in work.config
        return RunError("the disk is full") if learned and "selector: disagreement" in work.config else 5.0

    monkeypatch.setattr(local, "LocalExecutor", lambda options: made_up(fails))
    assert main(["bench", "suite.yaml", "--retries", "0"]) == 1
    assert "2 of 6 runs are missing; the same command tries them again." in capsys.readouterr().err
    assert main(["bench", "status", "suite.yaml"]) == 0
    said = capsys.readouterr().out
    assert "tiny: 4 of 6 runs finished, 2 failed, about " in said
    assert "FAILED Reach, disagreement, 8 pairs, oracle, seed 0 (1 times): the disk is full" in said
    assert "    | line 2" in said
    assert main(["bench", "status", "suite.yaml", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["runs"], record["finished"], len(record["failed"])) == (6, 4, 2)
    assert main(["bench", "report", "suite.yaml"]) == 0
    assert "Failed 1 times: Reach, disagreement, 8 pairs, oracle, seed 0 (the disk is full)" in capsys.readouterr().out


def test_status_without_a_suite_looks_for_shipped_ones(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "status"]) == 2
    assert "no suite under configs/bench" in capsys.readouterr().err
    folder = there.parent / "configs" / "bench"
    folder.mkdir(parents=True)
    there.rename(folder / "suite.yaml")
    (folder / "run.yaml").write_text("env: {id: A}\nalgo: {}", encoding="utf-8")
    assert main(["bench", "status"]) == 0
    assert capsys.readouterr().out == "tiny: 0 of 6 runs finished, 0 failed\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing.yaml"], "nothing.yaml: no such file"),
        (["suite.yaml", "--executor", "lokal"], "Did you mean 'local'?"),
        (["suite.yaml", "--out", "suite.yaml/x"], "cannot be written"),
    ],
)
def test_mistakes_are_sentences(
    there: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["bench", *arguments]) in {1, 2}
    assert sentence in capsys.readouterr().err
