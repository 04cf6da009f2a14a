"""Without a terminal a plain line every few seconds says how far the run is; on one there is a live bar."""

from __future__ import annotations

import sys

import pytest

from prefrl import progress
from prefrl.progress import Progress
from prefrl.types import Evaluation


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_plain_line_every_few_seconds(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress("cheetah", 1000, 50)
    for seconds, steps in ((3, 100), (11, 250), (15, 400), (22, 500)):
        clock[0] = seconds
        shown.step(steps)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "cheetah  250/1000 steps  33 s left  answers 0/50",
        "cheetah  500/1000 steps  22 s left  answers 0/50",
    ]
    shown.close()


def test_what_is_known_is_said(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress("cheetah", 100, 50)
    shown.labels(20, 0.876)
    shown.evaluated(Evaluation(0, 0, (1, 2), (100.0, 201.0), (0.0, 0.0), (5, 5)))
    clock[0] = 20
    shown.step(50)
    captured = capsys.readouterr()
    assert captured.err.endswith("answers 20/50  accuracy 0.88  true return 150\n")
    assert captured.out == ""


def test_a_run_without_questions_counts_none(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress("truth", 100, 0)
    clock[0] = 20
    shown.step(0)
    assert "answers" not in capsys.readouterr().err


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    shown = Progress("cheetah", 100, 50)
    shown.step(40)
    shown.close()
    captured = capsys.readouterr()
    assert "cheetah" in captured.err
    assert "answers 0/50" in captured.err
    assert captured.out == ""
