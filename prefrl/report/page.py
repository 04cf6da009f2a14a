"""A comparison, its figures and clips in, the self-contained HTML page and its Markdown twin out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import jinja2
import numpy as np

from prefrl.report import table
from prefrl.report.clips import Clip
from prefrl.report.comparison import Comparison
from prefrl.report.figures import Drawing
from prefrl.report.folder import Run
from prefrl.report.words import DASH, count, duration, minus, number, percent, share, state
from prefrl.statistics import spearman


@dataclass(frozen=True)
class Tile:
    """One number that is read first."""

    name: str
    value: str
    note: str


def render(
    comparison: Comparison, drawings: Sequence[Drawing], clips: Sequence[Clip], notes: Sequence[str]
) -> tuple[str, str]:
    """(HTML, Markdown) of one report."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("prefrl.report", "templates"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, minus=minus)
    run = comparison.focal
    context: dict[str, Any] = {
        "run": run,
        "task": (run.manifest.get("env") or {}).get("task", ""),
        "when": _when(run),
        "verdict": verdict(comparison),
        "tiles": _tiles(comparison),
        "notes": notes,
        "headline": table.headline(comparison),
        "seeds": table.seeds(comparison),
        "answers": table.answers(run),
        "drawings": drawings,
        "clips": clips,
        "termination": _termination(run),
        "facts": _facts(run),
        "settings": run.text("config.yaml"),
    }
    return environment.get_template("page.html").render(context), environment.get_template("page.md").render(context)


def verdict(comparison: Comparison) -> str:
    """What came out, in one sentence computed from the table."""
    run, row = comparison.focal, comparison.row
    if row is None:
        return f"This run {state(run.status)} and has not been evaluated yet."
    value = number(run.evaluations[-1].mean_return)
    normalised = row.normalised[row.seeds.index(run.seed)]
    asked = f"With {count(run.labels)} answers from {' and '.join(run.config.get('sources', {})) or 'no source'}"
    how = f"Rewarded by {run.designed}, with no answers," if run.designed else asked
    if run.ground_truth:
        said = f"Learning from the true reward reached a mean return of {value}; preferences are measured against it."
    elif not isfinite(normalised):
        said = f"{how} the policy reached a mean return of {value}."
    else:
        said = (
            f"{how} the policy went {percent(normalised)} of the way from random actions to the true reward: "
            f"a mean return of {value}, against {number(comparison.random)} and {number(comparison.ground_truth)}."
        )
    return said if run.status == "ok" else f"This run {state(run.status)}. {said}"


def _tiles(comparison: Comparison) -> list[Tile]:
    run, row = comparison.focal, comparison.row
    normalised = row.normalised[row.seeds.index(run.seed)] if row else float("nan")
    tiles = [Tile("normalised return", share(normalised), "0 is random actions, 1 is the ground-truth arm")]
    if run.last is not None:
        tiles.append(
            Tile("mean return", number(run.last.mean_return), f"{len(run.last.true_return)} deterministic episodes")
        )
        if not run.ground_truth:
            budget = run.config.get("feedback", {}).get("total")
            tiles.append(
                Tile("labels used", count(run.labels), f"of {count(budget)}" if budget else "answers and skips")
            )
    if run.correlation is not None:
        rho = spearman(run.correlation["true"], run.correlation["learned"])
        tiles.append(Tile("rank correlation", share(rho), "learned against true return of segments"))
    total = run.timing.get("total")
    steps = f"{count(run.last.step)} steps" if run.last else "no step evaluated"
    tiles.append(Tile("wall-clock", duration(total) if total else DASH, steps))
    return tiles


def _termination(run: Run) -> str:
    """What ending episodes early did to the comparison."""
    mode = run.config.get("env", {}).get("termination", "keep")
    training = run.manifest.get("termination") or f"Termination: {mode}."
    lengths = np.array([n for e in run.evaluations for n in e.length])
    if not len(lengths):
        return training
    if np.ptp(lengths) == 0:
        return f"{training} Every evaluation episode had {lengths[0]:,} steps, so it does not enter the comparison."
    return (
        f"{training} Evaluation episodes had {lengths.min():,} to {lengths.max():,} steps, "
        f"so part of every return is how long the robot lasted."
    )


def _when(run: Run) -> str:
    started = run.manifest.get("started")
    if isinstance(started, int | float):
        return datetime.fromtimestamp(started, UTC).strftime("%d %B %Y, %H:%M UTC")
    return str(started or "")


def _updates(manifest: Mapping[str, Any]) -> str:
    """How much the policy was trained, absolutely and for each step it took."""
    updates, steps = manifest.get("gradient_steps"), manifest.get("steps")
    return f"{updates:,} ({updates / steps:.2f} per step)" if updates is not None and steps else DASH


def _facts(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of (name, value) that say how to repeat the run."""
    manifest = run.manifest
    plugins = [
        (p.get("name", ""), f"{p.get('distribution', '')} {p.get('version', '')}") for p in manifest.get("plugins", [])
    ]
    groups = [
        (
            "Run",
            [
                ("folder", run.name),
                ("seed", str(run.seed)),
                ("status", run.status),
                ("arm", str(manifest.get("arm_key", DASH))),
                ("gradient steps", _updates(manifest)),
            ],
        ),
        ("Versions", [(k, str(v)) for k, v in (manifest.get("versions") or {}).items()]),
        ("Machine", [(k, str(v) if v else "none") for k, v in (manifest.get("machine") or {}).items()]),
        ("Plugins", plugins),
    ]
    return [(title, facts) for title, facts in groups if facts]
