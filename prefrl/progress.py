"""How far a run is: one live line on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import math
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from prefrl.types import Evaluation

PLAIN_SECONDS = 10.0  # between plain lines


class Progress:
    """Steps with ETA, answers used and left, reward accuracy, true return. Writes to stderr; stdout stays for results."""

    def __init__(self, name: str, steps: int, answers: int) -> None:
        self._name, self._steps, self._answers = name, steps, answers
        self._used = 0
        self._accuracy = self._return = math.nan
        self._started = self._spoken = time.monotonic()
        self._bar: Bar | None = None
        if sys.stderr.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[state]}"),
            )
            self._bar = Bar(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task(name, total=steps, state="")
            self._bar.start()

    def step(self, steps: int) -> None:
        """The run has taken `steps` steps."""
        if self._bar is not None:
            self._bar.update(self._task, completed=steps, state=self._state())
        elif time.monotonic() - self._spoken >= PLAIN_SECONDS:
            self._spoken = time.monotonic()
            done = steps / self._steps
            left = (self._spoken - self._started) * (1 - done) / max(done, 1e-9)
            print(
                f"{self._name}  {steps}/{self._steps} steps  {left:.0f} s left  {self._state()}",
                file=sys.stderr,
                flush=True,
            )

    def labels(self, used: int, accuracy: float) -> None:
        """The reward model was fitted to `used` answers."""
        self._used, self._accuracy = used, accuracy

    def evaluated(self, evaluation: Evaluation) -> None:
        """The policy was evaluated."""
        self._return = evaluation.mean_return

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _state(self) -> str:
        parts = [f"answers {self._used}/{self._answers}"] if self._answers else []
        parts += [f"accuracy {self._accuracy:.2f}"] if not math.isnan(self._accuracy) else []
        parts += [f"true return {self._return:.0f}"] if not math.isnan(self._return) else []
        return "  ".join(parts)
