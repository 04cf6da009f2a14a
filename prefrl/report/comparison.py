"""Run folders of one experiment in, its arms and the rows of the headline table out.

Comparable runs share `arm_key` (environment, algorithm, evaluation). They form arms: one per preference setting, the
ground-truth arm, and uniformly random actions; the seeds of an arm differ in nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import isnan, nan
from pathlib import Path
from typing import Literal

import numpy as np

from prefrl.errors import DataError
from prefrl.report.folder import Run, read
from prefrl.report.words import listed, state
from prefrl.statistics import bootstrap_interval, iqm, normalised_return

Role = Literal["random", "preferences", "ground truth"]


@dataclass(frozen=True, eq=False)
class Arm:
    """The seeds of one setting."""

    label: str
    role: Role
    runs: tuple[Run, ...]  # by seed, each with at least one evaluation


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the headline table; NaN where a number is unknown."""

    label: str
    role: Role
    returns: tuple[float, ...]  # one per seed: the mean of its last evaluation's episodes
    normalised: tuple[float, ...]  # one per seed
    labels: int | None  # None where answers are not what it learns from
    steps: int | None
    seconds: float  # wall-clock, mean over seeds
    seeds: tuple[int, ...]
    focal: bool  # the arm of the run that the report is about
    best: bool = False  # the highest mean among several preference arms

    @property
    def mean(self) -> float:
        return float(np.mean(self.returns)) if self.returns else nan

    @property
    def mean_normalised(self) -> float:
        return float(np.mean(self.normalised)) if self.normalised else nan

    @property
    def iqm(self) -> float:
        return iqm(self.normalised) if self.normalised else nan

    @property
    def interval(self) -> tuple[float, float]:
        """95% over seeds; NaN with fewer than two."""
        if any(map(isnan, self.normalised)):
            return nan, nan
        return bootstrap_interval([self.normalised])


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the report compares, and sentences about what it could not."""

    focal: Run
    arms: tuple[Arm, ...]  # ground truth last
    rows: tuple[Row, ...]  # random first, ground truth last
    random: float  # R: mean return of random actions, pooled over the compared runs
    ground_truth: float  # G: mean of the ground-truth arm
    warnings: tuple[str, ...]

    @property
    def row(self) -> Row | None:
        """The row of the run that the report is about."""
        return next((row for row in self.rows if row.focal), None)


def compare(folder: Path, others: Sequence[Path] = ()) -> Comparison:
    """Gather the runs to compare with: `others`, or else the sibling folders with the same `arm_key`."""
    focal = read(folder)
    warnings: list[str] = []
    candidates = [read(other) for other in others] if others else list(_siblings(focal, warnings))
    runs = [focal, *_comparable(focal, candidates, warnings)]
    arms = _arms([run for run in runs if run.evaluations])
    ground_truth = [run for arm in arms if arm.role == "ground truth" for run in arm.runs]
    random_returns = [run.random.mean_return for run in runs if run.random is not None]
    random = float(np.mean(random_returns)) if random_returns else nan
    yardstick = float(np.mean([_mean(run) for run in ground_truth])) if ground_truth else nan
    warnings += _doubts(focal, arms, random, yardstick)
    rows = [_row(arm, focal, random, yardstick) for arm in arms]
    return Comparison(
        focal=focal,
        arms=tuple(arms),
        rows=(*_random_row(runs, random, yardstick), *_emphasised(rows)),
        random=random,
        ground_truth=yardstick,
        warnings=tuple(warnings),
    )


def _siblings(focal: Run, warnings: list[str]) -> Iterable[Run]:
    """Runs beside `focal` with its `arm_key`; a damaged one is said, because nobody asked for it by name."""
    key = focal.manifest.get("arm_key")
    for path in sorted(focal.path.resolve().parent.iterdir()):
        manifest = path / "manifest.json"
        if path == focal.path.resolve() or not manifest.is_file():
            continue
        try:
            if key is not None and json.loads(manifest.read_text(encoding="utf-8")).get("arm_key") == key:
                yield read(path)
        except (DataError, ValueError) as error:
            warnings.append(f"The run {path.name} could not be read and was left out: {error}")


def _comparable(focal: Run, candidates: Iterable[Run], warnings: list[str]) -> Iterable[Run]:
    """Finished runs of the same experiment, one per arm and seed: `focal` itself, else the one started last."""
    chosen: dict[tuple[str, int], Run] = {(focal.arm, focal.seed): focal}
    for run in sorted(candidates, key=lambda run: str(run.manifest.get("started")), reverse=True):
        if run.path.resolve() == focal.path.resolve():
            continue
        if run.manifest.get("arm_key") != focal.manifest.get("arm_key"):
            warnings.append(f"The run {run.name} has another task, learner or evaluation and was left out.")
        elif run.status != "ok" or not run.evaluations:
            warnings.append(f"The run {run.name} {state(run.status)} and was left out.")
        elif (twin := chosen.setdefault((run.arm, run.seed), run)) is not run:
            warnings.append(f"The run {run.name} repeats seed {run.seed} of {twin.name} and was left out.")
    return [run for run in chosen.values() if run is not focal]


def _arms(runs: Iterable[Run]) -> list[Arm]:
    by_arm = sorted(runs, key=lambda run: (run.ground_truth, run.arm, run.seed))
    groups = [
        tuple(group)
        for _, group in groupby(by_arm, key=lambda run: (run.ground_truth, "" if run.ground_truth else run.arm))
    ]
    learned = [group for group in groups if not group[0].ground_truth]
    sizes = [_size(group[0]) for group in learned]
    arms = []
    for group, size in zip(learned, sizes, strict=True):
        label = "preferences" if len(learned) == 1 and not group[0].designed else size
        label = label if sizes.count(size) == 1 else f"{label} ({group[0].name})"
        arms.append(Arm(f"{label}, privileged" if group[0].privileged else label, "preferences", group))
    arms.sort(key=lambda arm: arm.runs[0].config.get("feedback", {}).get("total", 0))
    return arms + [Arm("ground truth", "ground truth", group) for group in groups if group[0].ground_truth]


def _size(run: Run) -> str:
    """What sets this arm apart: how much was asked."""
    if run.designed:
        return f"{run.designed}, no answers"
    feedback = run.config.get("feedback", {})
    items = feedback.get("items", 2)
    return f"preferences, {feedback.get('total', run.labels)} {'pairs' if items == 2 else f'rankings of {items}'}"


def _row(arm: Arm, focal: Run, random: float, ground_truth: float) -> Row:
    returns = tuple(_mean(run) for run in arm.runs)
    trained = arm.role == "preferences"
    seconds = [float(run.timing.get("total", nan)) for run in arm.runs]
    return Row(
        label=arm.label,
        role=arm.role,
        returns=returns,
        normalised=tuple(normalised_return(value, random, ground_truth) for value in returns),
        labels=max(run.labels for run in arm.runs) if trained else None,
        steps=max(run.evaluations[-1].step for run in arm.runs),
        seconds=float(np.mean(seconds)),
        seeds=tuple(run.seed for run in arm.runs),
        focal=focal in arm.runs,
    )


def _random_row(runs: Iterable[Run], random: float, ground_truth: float) -> Iterable[Row]:
    measured = {run.seed: run.random.mean_return for run in runs if run.random is not None}
    if not measured:
        return ()
    returns = tuple(measured[seed] for seed in sorted(measured))
    normalised = tuple(normalised_return(value, random, ground_truth) for value in returns)
    return (
        Row("random actions", "random", returns, normalised, None, None, nan, tuple(sorted(measured)), focal=False),
    )


def _emphasised(rows: Sequence[Row]) -> Iterable[Row]:
    """Mark the best of several preference arms: computed, so that no hand can mark the wrong one."""
    learned = [row for row in rows if row.role == "preferences"]
    best = max(learned, key=lambda row: row.mean) if len(learned) > 1 else None
    return [replace(row, best=row is best) for row in rows]


def _doubts(focal: Run, arms: Sequence[Arm], random: float, ground_truth: float) -> Iterable[str]:
    """What a careful reader of the table should know."""
    if focal.status != "ok":
        if focal.manifest.get("error"):
            yield f"It ended with: {focal.manifest['error']}"
        where = f"its last evaluation, at step {focal.last.step:,}" if focal.last else "nothing yet"
        yield f"This run {state(focal.status)}: the table shows {where}, not a final policy."
    if isnan(ground_truth):
        yield (
            "No ground-truth run with this arm_key was found, so returns are not normalised. "
            "Train one with --set 'reward={model: true_reward}'."
        )
    elif not isnan(random) and ground_truth <= random:
        yield "The ground-truth arm is no better than random actions, so returns are not normalised."
    for arm in arms:
        seeds, yardstick = (tuple(run.seed for run in a.runs) for a in (arm, arms[-1]))
        if arms[-1].role == "ground truth" and seeds != yardstick:
            yield f"{arm.label} has seeds {listed(seeds)}, ground truth has {listed(yardstick)}: an equal set compares better."
    if hidden := [arm.label for arm in arms if arm.runs[0].privileged]:
        yield (
            f"Privileged: {' and '.join(hidden)} saw factors that give the designed reward away, which no robot has whose "
            "reward nobody wrote."
        )
    if all(len(arm.runs) < 2 for arm in arms):
        yield "One seed per arm: it shows that the run works, not how it compares; seeds differ a lot."


def _mean(run: Run) -> float:
    return run.evaluations[-1].mean_return
