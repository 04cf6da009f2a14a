"""Phases of a run in, seconds per phase out; each phase has the torch threads that suit it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

WIDE = frozenset({"ask", "fit", "relabel"})  # phases whose batches are large enough to be shared between threads


class Clock:
    """Wall-clock by phase; time spent in a phase inside another is not counted twice.

    The phases of `WIDE` run on `threads` torch threads, all else on one: in a policy's small networks more threads only
    wait for one another.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._started = time.perf_counter()
        self._inner: list[float] = []  # seconds of the phases nested in each open one

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what happens inside as `name`."""
        begun = time.perf_counter()
        self._inner.append(0.0)
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads if name in WIDE else 1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
            spent = time.perf_counter() - begun
            self.seconds[name] += spent - self._inner.pop()
            if self._inner:
                self._inner[-1] += spent

    def state_dict(self) -> dict[str, float]:
        """Seconds so far."""
        return {"total": self.elapsed(), **self.seconds}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Count on from there."""
        self._started = time.perf_counter() - state["total"]
        self.seconds = defaultdict(float, {name: s for name, s in state.items() if name != "total"})

    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return time.perf_counter() - self._started

    def report(self) -> dict[str, float]:
        """Seconds by phase, and "total"."""
        return {"total": round(self.elapsed(), 3), **{name: round(s, 3) for name, s in sorted(self.seconds.items())}}
