"""A run folder in, what it holds as frozen records out; what is absent or damaged is said in `gaps`, never guessed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from prefrl.errors import DataError
from prefrl.types import Array, Evaluation, RewardFit

Record = TypeVar("Record", Evaluation, RewardFit)
STAGES = ("start", "middle", "end")
# What does not change what is learned: runs that differ in nothing else are seeds of one arm.
INCIDENTAL = ("run", "store", "render", "checkpoint", "evaluate")


@dataclass(frozen=True)
class Section:
    """What a plugin has to say of a run: a paragraph and a table of text."""

    title: str
    text: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Run:
    """One run as its files tell it; `gaps` are sentences about what they do not tell."""

    path: Path
    config: Mapping[str, Any]
    manifest: Mapping[str, Any]
    evaluations: tuple[Evaluation, ...]
    fits: tuple[RewardFit, ...]
    random: Evaluation | None
    timing: Mapping[str, float]
    calibration: Mapping[str, Any] | None
    correlation: Mapping[str, Array] | None
    stages: Mapping[str, Mapping[str, Array]]  # start, middle, end -> one episode's arrays
    answers: tuple[Mapping[str, Any], ...]  # who answered what, and how it agrees with the true return
    sections: tuple[Section, ...]
    gaps: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def status(self) -> str:
        return str(self.manifest.get("status", "unknown"))

    @property
    def seed(self) -> int:
        return int(self.manifest.get("seed", self.config.get("run", {}).get("seed", 0)))

    @property
    def env_id(self) -> str:
        return str(self.config.get("env", {}).get("id", "unknown environment"))

    @property
    def ground_truth(self) -> bool:
        """Whether it learned from the true reward, that is, whether it is a yardstick and not a result."""
        return bool(self.config.get("reward", {}).get("model") == "true_reward")

    @property
    def designed(self) -> str:
        """The reward model's name if it is one that no answer changes and that is not the task's own reward; else empty."""
        untrained = not self.ground_truth and not self.config.get("sources") and not self.fits
        return str(self.config.get("reward", {}).get("model", "")) if untrained else ""

    @property
    def privileged(self) -> bool:
        """Whether a source or the reward model was let see factors that give the designed reward away."""
        chosen = [*self.config.get("sources", {}).values(), self.config.get("reward", {})]
        return any(bool(one.get("privileged")) for one in chosen)

    @property
    def last(self) -> Evaluation | None:
        """The newest evaluation: the final policy's if the run ended well."""
        return self.evaluations[-1] if self.evaluations else None

    @property
    def labels(self) -> int:
        return self.last.preferences if self.last is not None else 0

    @cached_property
    def arm(self) -> str:
        """A hash of everything that decides what is learned but the seed."""
        essence = {key: value for key, value in self.config.items() if key not in INCIDENTAL}
        return hashlib.sha256(json.dumps(essence, sort_keys=True, default=str).encode()).hexdigest()

    def text(self, name: str) -> str:
        """A file of the folder as text, empty if it is absent."""
        path = self.path / name
        return path.read_text(encoding="utf-8") if path.is_file() else ""


def read(path: Path) -> Run:
    """Read a run folder, finished or not. `DataError` if it is none, or if a file in it is damaged."""
    if not (path / "manifest.json").is_file():
        raise DataError(
            f"{path}: not a run folder (it holds no manifest.json). Give a folder that `prefrl train` wrote."
        )
    manifest = _json(path / "manifest.json")
    gaps = [
        f"interrupted, and resumed at step {resumed['step']:,} at the beginning of new episodes: not the run it would have been"
        for resumed in manifest.get("resumed", [])
        if not resumed["exact"]
    ]
    trained = bool(_config(path).get("sources")) or (path / "fits.jsonl").is_file()

    def optional(name: str, lacks: str, wanted: bool = True) -> Any:
        if (path / name).is_file():
            return _arrays(path / name) if name.endswith(".npz") else _json(path / name)
        if wanted:
            gaps.append(f"{lacks}: the run folder holds no {name}.")
        return None

    random = optional("random.json", "No return of random actions, so nothing is normalised")
    evaluations = tuple(_records(path / "evaluations.jsonl", Evaluation, gaps))
    if not evaluations:
        gaps.append("No evaluation yet: there is no return to show.")
    fits = tuple(_records(path / "fits.jsonl", RewardFit, gaps))
    if trained and not fits:
        gaps.append("No fit of the reward model yet.")
    stages = {stage: optional(f"episodes/{stage}.npz", f"No clip of the {stage}") for stage in STAGES}
    return Run(
        path=path,
        config=_config(path),
        manifest=manifest,
        evaluations=evaluations,
        fits=fits,
        random=None if random is None else _record(random, Evaluation, path / "random.json"),
        timing=optional("timing.json", "No breakdown of time") or {},
        calibration=optional("calibration.json", "No calibration", trained),
        correlation=optional("correlation.npz", "No comparison of learned and true segment returns", trained),
        stages={stage: arrays for stage, arrays in stages.items() if arrays is not None},
        answers=tuple((optional("sources.json", "", wanted=False) or {}).get("answers", ())),
        sections=tuple(_section(file) for file in sorted(path.glob("sections/*.json"))),
        gaps=tuple(gaps),
    )


def _section(path: Path) -> Section:
    loaded = _json(path)
    try:
        rows = tuple(tuple(map(str, row)) for row in loaded["rows"])
        return Section(str(loaded["title"]), str(loaded["text"]), tuple(map(str, loaded["header"])), rows)
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: is no section of a report; it needs title, text, header and rows.") from error


def _config(path: Path) -> Mapping[str, Any]:
    try:
        loaded = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"{path / 'config.yaml'}: cannot be read ({error}).") from error
    if not isinstance(loaded, dict):
        raise DataError(f"{path / 'config.yaml'}: holds no mapping.")
    return loaded


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}).") from error
    if not isinstance(loaded, dict):
        raise DataError(f"{path}: holds no JSON object.")
    return loaded


def _arrays(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as an array archive ({error}).") from error


def _records(path: Path, kind: type[Record], gaps: list[str]) -> Iterator[Record]:
    """Every complete line; a torn last line is what a killed or running writer leaves, and is said."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            loaded = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                gaps.append(f"The last line of {path.name} is incomplete and was left out.")
                return
            raise DataError(f"{path}:{number}: not JSON ({error}).") from error
        yield _record(loaded, kind, path, number)


def _record(loaded: Any, kind: type[Record], path: Path, line: int = 1) -> Record:
    """A dataclass from its dict: lists become tuples, null becomes NaN where a number is due."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if not isinstance(loaded, dict) or (missing := [n for n, f in fields.items() if _due(f) and n not in loaded]):
        lacks = f"lacks {', '.join(missing)}" if isinstance(loaded, dict) else "is no JSON object"
        raise DataError(f"{path}:{line}: {lacks}, so it is no {kind.__name__}.")
    values = {name: _value(loaded[name], fields[name]) for name in fields if name in loaded}
    return kind(**values)


def _due(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _value(value: Any, field: dataclasses.Field[Any]) -> Any:
    if value is None and field.type == "float":
        return math.nan
    return tuple(value) if isinstance(value, list) else value
