"""Cells and what finished ones took in; seconds that the others will take out, and how that is known."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from prefrl.bench.cells import Cell

Known = tuple[Cell, float]  # a finished cell and its seconds


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds of one cell; `measured` if cells like it have finished, else from the speed of this machine alone."""

    seconds: float
    measured: bool


def forecasts(pending: Sequence[Cell], finished: Mapping[str, Path], cells: Sequence[Cell]) -> dict[str, Forecast]:
    """Key -> forecast, by the nearest of: the same cell with other seeds; the same task and learner; a rough count of work."""
    known = [(cell, seconds) for cell in cells if (seconds := _seconds(finished.get(cell.key))) is not None]
    speed = _Speed()
    return {cell.key: _forecast(cell, known, speed) for cell in pending}


def total(pending: Sequence[Cell], predicted: Mapping[str, Forecast], jobs: int) -> float:
    """Seconds until the last is done, `jobs` at a time, each begun as soon as one has ended."""
    lanes = [0.0] * max(1, jobs)
    for cell in pending:
        soonest = lanes.index(min(lanes))
        lanes[soonest] += predicted[cell.key].seconds
    return max(lanes)


def _seconds(folder: Path | None) -> float | None:
    path = folder / "timing.json" if folder is not None else None
    if path is None or not path.is_file():
        return None
    return float(json.loads(path.read_text(encoding="utf-8")).get("total", 0.0)) or None


def _forecast(cell: Cell, known: Sequence[Known], speed: _Speed) -> Forecast:
    def alike(*names: str) -> list[Known]:
        return [(o, s) for o, s in known if all(getattr(o.place, n) == getattr(cell.place, n) for n in names)]

    for names in (("environment", "method", "budget", "teacher"), ("environment", "method"), ("environment",)):
        near = [(other, seconds) for other, seconds in alike(*names) if _learner(other) == _learner(cell)]
        if near:
            steps = cell.settings.algo.n_timesteps
            return Forecast(mean(s * steps / o.settings.algo.n_timesteps for o, s in near), measured=True)
    return Forecast(speed.seconds(cell), measured=False)


def _learner(cell: Cell) -> Any:
    """What the time of a step depends on most."""
    return cell.settings.algo.name, cell.settings.env.n_envs, cell.settings.algo.options


class _Speed:
    """A rough count: matrix products of the policy's updates at this machine's speed, beside steps of the task."""

    START = 6.0  # seconds of imports and of building a run
    STEP = 60e-6  # of recording, acting and relabelling one step, beside the task's own
    UPDATE = 1.2e-3  # of one gradient step, beside its matrix products

    def __init__(self) -> None:
        self._flops: float | None = None
        self._steps: dict[str, float] = {}

    def seconds(self, cell: Cell) -> float:
        algo = cell.settings.algo
        options: Any = algo.options
        steps = algo.n_timesteps
        per_update = getattr(options, "batch_size", 256)
        epochs: int = getattr(options, "n_epochs", 0)
        off_policy = not epochs
        updates = steps * epochs / per_update if epochs else steps
        work = 6 * per_update * _parameters(options, off_policy=off_policy)
        return self.START + steps * (self.STEP + self.step(cell)) + updates * (self.UPDATE + work / self.flops)

    @property
    def flops(self) -> float:
        """Floating-point operations per second of one thread on matrices of this size."""
        if self._flops is None:
            import torch

            torch.set_num_threads(1)
            a = torch.rand(256, 256)
            started = time.perf_counter()
            for _ in range(50):
                a @ a
            self._flops = 50 * 2 * 256**3 / (time.perf_counter() - started)
        return self._flops

    def step(self, cell: Cell) -> float:
        """Seconds of one step of the task, from 200 random ones."""
        env = cell.settings.env
        name = env.model_dump_json()
        if name not in self._steps:
            from prefrl.rollout.environments import make

            task = make(env)
            task.reset(seed=0)
            started = time.perf_counter()
            for _ in range(200):
                *_, terminated, truncated, _ = task.step(task.action_space.sample())
                if terminated or truncated:
                    task.reset()
            self._steps[name] = (time.perf_counter() - started) / 200
            task.close()
        return self._steps[name]


def _parameters(options: Any, *, off_policy: bool) -> float:
    """Weights of the hidden layers of policy and values, which most of the work of an update is about."""
    arch = getattr(options, "policy_kwargs", {}).get("net_arch") or ([256, 256] if off_policy else [64, 64])
    widths = [*arch.values()] if isinstance(arch, Mapping) else [arch, arch]
    nets = widths + ([widths[-1], widths[-1]] if off_policy else [])  # two critics and their share of the actor's loss
    return float(sum(a * b for net in nets for a, b in itertools.pairwise(net)))
