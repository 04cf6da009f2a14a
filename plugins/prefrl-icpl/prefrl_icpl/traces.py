"""Rewards of training steps in, the mean of each component over stretches of training out, in a file beside the run's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prefrl.sandbox import Rewards

FILE = "icpl_traces.json"
STRETCH = 1000  # steps that one value is the mean of, at least
TOTAL = "total"


class Traces:
    """Name of component -> values in the order of training."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._sums: dict[str, float] = {}
        self._steps = 0
        self.values: dict[str, list[float]] = {}

    def add(self, rewards: Rewards) -> None:
        """Steps of training that just happened."""
        parts = {TOTAL: rewards.reward, **rewards.components}
        for name, values in parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(np.sum(values))
        self._steps += len(rewards.reward)
        if self._steps >= STRETCH:
            for name, value in self._sums.items():
                self.values.setdefault(name, []).append(value / self._steps)
            self._sums, self._steps = {}, 0
            self._path.write_text(json.dumps(self.values), encoding="utf-8")

    def state_dict(self) -> Mapping[str, Any]:
        return {"sums": self._sums, "steps": self._steps, "values": self.values}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._sums, self._steps = dict(state["sums"]), state["steps"]
        self.values = {name: list(values) for name, values in state["values"].items()}


def read_traces(folder: Path) -> dict[str, list[float]]:
    """Of the run in `folder`; nothing if it was shorter than one stretch."""
    path = folder / FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
