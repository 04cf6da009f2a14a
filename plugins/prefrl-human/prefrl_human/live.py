"""A run folder in, what people may know of the robot's progress out; the true return is not among it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from prefrl_human.options import HumanOptions
from prefrl_human.place import Place


def progress(run: Path | None) -> dict[str, Any] | None:
    """How far a run is and how well its reward model predicts the answers; None without a run.

    `accuracy` is of answers held out where there are any, else of those learned from. `learned` is the mean return by the
    reward model of the day, in its own units: it says what the policy got better at, not how good it is.
    """
    if run is None or not (run / "manifest.json").exists():
        return None
    fits = [
        {
            "answers": line["preferences"],
            "step": line["step"],
            "accuracy": _best(line["val_accuracy"], line["accuracy"]),
        }
        for line in _lines(run / "fits.jsonl")
    ]
    learned = [
        {"step": line["step"], "answers": line["preferences"], "learned": _finite(line["learned_return"])}
        for line in _lines(run / "evaluations.jsonl")
    ]
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    return {
        "status": manifest["status"],
        "steps": _settings(run).get("algo", {}).get("n_timesteps"),
        "step": max([0, *(one["step"] for one in fits), *(one["step"] for one in learned)]),
        "fits": fits,
        "learned": [one for one in learned if one["learned"] is not None],
    }


def newest_episode(run: Path | None) -> tuple[int, Path] | None:
    """(step, file) of the newest episode of the policy that has states."""
    if run is None:
        return None
    found = []
    for path in (run / "episodes").glob("*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            if "states" in arrays:
                found.append((int(arrays["step"]), path))
    return max(found, default=None)


def of_run(run: Path) -> dict[str, Any]:
    """What a run's configuration says about serving its data set: fields of `Place`."""
    settings = _settings(run)
    env, render, identity = (settings.get(key) or {} for key in ("env", "render", "run"))
    found: dict[str, Any] = {
        "run": run, "env_kwargs": env.get("kwargs") or {}, "size": render.get("size", 256),
        "camera": render.get("camera"), "seed": identity.get("seed", 0),
        "answers": (settings.get("feedback") or {}).get("total"),
    }  # fmt: skip
    for name, source in (settings.get("sources") or {}).items():
        if ((source or {}).get("use") or name) == "human":
            ours = {k: v for k, v in (source or {}).items() if k in HumanOptions.model_fields}  # others are the host's
            found |= {"source": name, "options": ours}
    return found


def place_of(data_set: str, url: str | None, folder: Path, run: Path | None, **changes: Any) -> Place:
    """A place that follows the configuration of the run that made the data set, if it is there."""
    values = of_run(run) if run is not None else {}
    options = dict(values.get("options") or {})
    for key, value in changes.items():
        if value is not None:
            options[key] = {**(options.get(key) or {}), **value} if isinstance(value, dict) else value
    values["options"] = options
    return Place(url=url, folder=folder, data_set=data_set, **values)


def _settings(run: Path) -> dict[str, Any]:
    path = run / "config.yaml"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from (json.loads(line) for line in file if line.endswith("\n"))


def _finite(values: list[float]) -> float | None:
    mean = float(np.mean(values)) if values else math.nan
    return mean if math.isfinite(mean) else None


def _best(held_out: float, seen: float) -> float | None:
    return next((value for value in (held_out, seen) if math.isfinite(value)), None)
