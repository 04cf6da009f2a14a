"""Cells and the folders of their raw results in, one record per run out: what results.csv holds and tables are made of."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from typing import Any, Literal

import numpy as np

from prefrl.bench.cells import Cell, Place
from prefrl.bench.runner import Standing
from prefrl.errors import DataError
from prefrl.statistics import normalised_return

RANDOM = "random actions"  # the method of rows that ground-truth runs measured on the way
WALL_CLOCK = ("seconds", "fit_seconds", "started")  # columns of results.csv that differ from one time to the next
Status = Literal["done", "failed", "not run"]


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluation on the way."""

    step: int
    labels: int
    true_return: float


@dataclass(frozen=True, slots=True)
class Row:
    """One run; NaN where a number is unknown."""

    place: Place
    key: str
    status: Status
    privileged: bool = False
    items: int = 2  # clips per question
    steps: int = 0
    labels: int = 0
    true_return: float = nan  # mean of the final episodes
    normalised: float = nan
    success: float = nan
    accuracy: float = nan  # of the reward model on random pairs of segments, against true return
    rank_correlation: float = nan
    val_accuracy: float = nan  # of the last fit, on answers held out
    ground_truth: str = ""  # keys of the runs that it is normalised by
    version: str = ""  # of prefrl
    seconds: float = nan
    fit_seconds: float = nan
    started: float = nan
    curve: tuple[Point, ...] = ()

    def score(self, measure: str) -> float:
        """What a suite compares methods by."""
        return {"success": self.success, "held-out accuracy": self.val_accuracy}.get(measure, self.normalised)


@dataclass(frozen=True, slots=True)
class Scale:
    """What returns of one environment are normalised by: the means of random actions and of the ground truth."""

    random: float
    ground_truth: float
    keys: tuple[str, ...]

    def normalised(self, value: float) -> float:
        """0 as good as random actions, 1 as good as the ground truth."""
        return normalised_return(value, self.random, self.ground_truth)


def rows_of(now: Standing) -> tuple[list[Row], Mapping[str, Scale]]:
    """A row per run of the suite, random actions and ground truth among them, and each environment's scale."""
    read = {key: _read(folder) for key, folder in now.finished.items()}
    scales = {name: _scale(now.cells, read, name) for name in dict.fromkeys(c.place.environment for c in now.cells)}
    rows: list[Row] = []
    for cell in now.cells:
        raw, scale = read.get(cell.key), scales[cell.place.environment]
        if cell.is_truth:
            rows.append(_random_row(cell, raw, scale))
        if raw is None:
            rows.append(Row(cell.place, cell.key, "failed" if cell.key in now.failures else "not run", cell.privileged))
        else:
            rows.append(_row(cell, raw, scale))
    return rows, scales


def _read(folder: Path) -> Mapping[str, Any]:
    """What the files of one cell say, as plain data."""

    def load(name: str) -> Any:
        path = folder / name
        if not path.is_file():
            return None
        try:
            text = path.read_text(encoding="utf-8")
            return [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else json.loads(text)
        except ValueError as error:
            raise DataError(f"{path}: is damaged ({error}); delete {folder} and run its suite again.") from error

    names = ("manifest.json", "evaluations.jsonl", "fits.jsonl", "random.json", "timing.json")
    read = {name.partition(".")[0]: load(name) for name in names}
    if not read["evaluations"]:
        raise DataError(f"{folder}: holds no evaluation; delete it and run its suite again.")
    return read


def _scale(cells: Iterable[Cell], read: Mapping[str, Mapping[str, Any]], environment: str) -> Scale:
    own = [cell for cell in cells if cell.place.environment == environment and cell.key in read]
    truths = [cell.key for cell in own if cell.is_truth]
    random = [_mean(read[cell.key]["random"]) for cell in own if cell.is_truth and read[cell.key]["random"]]
    final = [_mean(read[key]["evaluations"][-1]) for key in truths]
    return Scale(float(np.mean(random)) if random else nan, float(np.mean(final)) if final else nan, tuple(truths))


def _mean(evaluation: Mapping[str, Any]) -> float:
    return float(np.mean(evaluation["true_return"]))


def _row(cell: Cell, raw: Mapping[str, Any], scale: Scale) -> Row:
    last, fits, timing = raw["evaluations"][-1], raw["fits"] or [], raw["timing"] or {}
    value = _mean(last)
    return Row(
        place=cell.place,
        key=cell.key,
        status="done",
        privileged=cell.privileged,
        items=cell.settings.feedback.items,
        steps=int(last["step"]),
        labels=int(last["preferences"]),
        true_return=value,
        normalised=scale.normalised(value),
        success=float(np.mean(last["success"])) if last.get("success") else nan,
        accuracy=_number(last.get("accuracy")),
        rank_correlation=_number(last.get("rank_correlation")),
        val_accuracy=_number(fits[-1].get("val_accuracy")) if fits else nan,
        ground_truth=" ".join(scale.keys),
        version=str(raw["manifest"].get("versions", {}).get("prefrl", "")),
        seconds=_number(timing.get("total")),
        fit_seconds=_number(timing.get("fit")),
        started=_number(raw["manifest"].get("started")),
        curve=tuple(Point(int(e["step"]), int(e["preferences"]), _mean(e)) for e in raw["evaluations"]),
    )


def _random_row(cell: Cell, raw: Mapping[str, Any] | None, scale: Scale) -> Row:
    """Uniformly random actions, which every run judges once before it begins."""
    p = cell.place
    place = Place(p.environment, RANDOM, "", "", p.seed)
    if raw is None or not raw["random"]:
        return Row(place, cell.key, "not run")
    value, success = _mean(raw["random"]), raw["random"].get("success")
    return Row(
        place, cell.key, "done", true_return=value, normalised=scale.normalised(value),
        success=float(np.mean(success)) if success else nan, ground_truth=" ".join(scale.keys),
    )  # fmt: skip


def _number(value: Any) -> float:
    return nan if value is None else float(value)


def to_csv(rows: Sequence[Row]) -> str:
    """One line per run in the order of the suite; every column but `WALL_CLOCK` is the same whenever it is run."""
    columns = [
        "environment", "method", "budget", "teacher", "seed", "key", "status", "privileged", "steps", "labels", "true_return",
        "normalised", "success", "accuracy", "rank_correlation", "val_accuracy", "ground_truth", "version", *WALL_CLOCK,
    ]  # fmt: skip
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        known = columns if row.status == "done" else columns[: columns.index("steps")]
        writer.writerow([_cell(_value(row, name)) if name in known else "" for name in columns])
    return text.getvalue()


def _value(row: Row, column: str) -> Any:
    return getattr(row.place if column in Place.__dataclass_fields__ else row, column)


def _cell(value: Any) -> str:
    """A float with every digit, empty if it is unknown."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "" if isnan(value) else repr(value)
    return str(value)
