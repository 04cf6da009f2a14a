"""Seconds are counted once, in the innermost phase."""

from __future__ import annotations

import pytest
import torch

from prefrl import timing
from prefrl.timing import Clock


@pytest.fixture
def tick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    return now


def test_a_phase_inside_another_is_not_counted_twice(tick: list[float]) -> None:
    clock = Clock()
    with clock.phase("collect"):
        tick[0] += 1
        with clock.phase("relabel"):
            tick[0] += 2
            with clock.phase("learn"):
                tick[0] += 4
        tick[0] += 8
    tick[0] += 16
    with clock.phase("collect"):
        tick[0] += 32
    assert clock.report() == {"total": 63.0, "collect": 41.0, "learn": 4.0, "relabel": 2.0}
    assert clock.elapsed() == 63


def test_a_failure_ends_its_phases(tick: list[float]) -> None:
    clock = Clock()

    def fails() -> None:
        with clock.phase("learn"), clock.phase("fit"):
            tick[0] += 1
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fails()
    with clock.phase("ask"):
        tick[0] += 2
    assert clock.report() == {"total": 3.0, "ask": 2.0, "fit": 1.0, "learn": 0.0}


def test_only_phases_of_large_batches_have_more_threads() -> None:
    clock = Clock(threads=2)
    before, seen = torch.get_num_threads(), []
    with clock.phase("collect"):
        with clock.phase("fit"):
            seen.append(torch.get_num_threads())
            with clock.phase("learn"):
                seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())
    assert seen == [2, 1, 1]
    assert torch.get_num_threads() == before
