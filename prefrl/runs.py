"""The run folder: what a run writes while it runs, append-only or replaced atomically, and how it is read back."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from prefrl.errors import ConfigError, DataError, RunError
from prefrl.settings import RunSettings
from prefrl.types import Array, EnvInfo, Episode, Factor, content_hash

LINES = ("run_log.jsonl", "fits.jsonl", "evaluations.jsonl")  # files that only grow
VERSIONED = ("prefrl", "torch", "numpy", "mujoco", "gymnasium", "stable-baselines3")

MEASURED = ("run_log.jsonl", "fits.jsonl", "evaluations.jsonl", "progress.json")
OF_TIME = {"seconds", "time/fps", "time/time_elapsed"}


class RunFolder:
    """One run's files. Every write either is a whole line or replaces a whole file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / ".lock", blocking=False)

    @staticmethod
    def create(path: Path) -> RunFolder:
        """A new folder; one that holds a run already is refused, nothing is overwritten."""
        if (path / "manifest.json").exists():
            status = read_manifest(path)["status"]
            cure = "" if status == "ok" else f" go on with it by `prefrl train --resume {path}`, or"
            raise ConfigError(f"run folder {path}: it holds a run already;{cure} choose another --run or run.name.")
        try:
            path.mkdir(parents=True, exist_ok=True)
            return RunFolder(path)._locked()
        except OSError as error:
            raise RunError(
                f"run folder {path}: cannot be written ({error.strerror}); choose another with --run."
            ) from error

    @staticmethod
    def reopen(path: Path) -> RunFolder:
        """One whose run did not end; while its process lives it is refused."""
        if read_manifest(path)["status"] == "ok":
            raise ConfigError(f"run folder {path}: its run has finished, there is nothing to resume.")
        return RunFolder(path)._locked()

    def _locked(self) -> RunFolder:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise ConfigError(f"run folder {self.path}: another process is running it; end that one first.") from error
        return self

    def close(self) -> None:
        """Let others resume it."""
        self._lock.release()

    def state_dict(self) -> dict[str, int]:
        """How long each file of lines is."""
        return {name: (self.path / name).stat().st_size for name in LINES if (self.path / name).exists()}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Cut off what was written later; it will be written again."""
        for name in LINES:
            if (self.path / name).exists():
                os.truncate(self.path / name, state.get(name, 0))

    def append(self, name: str, record: Any) -> None:
        """One JSON line."""
        value = asdict(record) if is_dataclass(record) and not isinstance(record, type) else record
        with (self.path / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(value) + "\n")

    def replace(self, name: str, text: str) -> None:
        """Write a whole file, or leave the old one."""
        draft = self.path / f".{name}.tmp"
        draft.write_text(text, encoding="utf-8")
        draft.replace(self.path / name)

    def replace_json(self, name: str, value: Any) -> None:
        plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        self.replace(name, json.dumps(plain, indent=1))

    def replace_arrays(self, name: str, arrays: Mapping[str, Array]) -> None:
        """A compressed npz."""
        target = self.path / name
        target.parent.mkdir(exist_ok=True)
        draft = target.with_name(f".{target.name}")
        with draft.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # numpy's stub takes any keyword for a flag
        draft.replace(target)

    def save_episode(self, label: str, episode: Episode, learned: Array, step: int) -> None:
        """One deterministic episode, for the report's clips."""
        arrays = {
            "obs": episode.obs, "action": episode.action, "true_reward": episode.true_reward,
            "learned_reward": learned, "step": np.array(step), "states": episode.states,
        }  # fmt: skip
        self.replace_arrays(f"episodes/{label}.npz", {name: a for name, a in arrays.items() if a is not None})

    def lines(self, name: str) -> Iterator[dict[str, Any]]:
        """The JSON lines of a file; none if it does not exist. A last line that was cut off does not count."""
        yield from map(json.loads, _whole_lines(self.path / name))


def manifest(settings: RunSettings, env: EnvInfo, name: str, plugins: list[dict[str, str]]) -> dict[str, Any]:
    """What a run was: versions, machine, environment, and the key that comparable arms share."""
    versions = {"python": platform.python_version(), **{package: metadata.version(package) for package in VERSIONED}}
    return {
        "run": name,
        "status": "running",
        "seed": settings.run.seed,
        "started": time.time(),
        "finished": None,
        "versions": {package.replace("-", "_"): version for package, version in versions.items()},
        "machine": {
            "system": platform.platform(), "processor": _processor(), "cores": os.cpu_count(), "gpu": _gpu(),
        },
        "env": asdict(env),
        "arm_key": arm_key(settings),
        "plugins": plugins,
    }  # fmt: skip


def arm_key(settings: RunSettings) -> str:
    """Equal for runs whose policies may be compared: same task, learner, steps and evaluation; seeds may differ."""
    parts = [settings.env, settings.algo, settings.evaluate]
    return content_hash(*[part.model_dump_json().encode() for part in parts])[:16]


def metrics_hash(folder: Path) -> str:
    """One short name for all that the run in `folder` asked, saw, fitted and measured: equal runs have equal ones."""
    parts = []
    for name in MEASURED:
        lines = [json.loads(line) for line in _whole_lines(folder / name)]
        kept = [{key: value for key, value in line.items() if key not in OF_TIME} for line in lines]
        parts.append(json.dumps(kept, sort_keys=True).encode())
    return content_hash(*parts)[:16]


def _whole_lines(path: Path) -> Iterator[str]:
    """None if there is no such file; a last line that was cut off does not count."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.endswith("\n"))


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _gpu() -> str:
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else ""


def read_manifest(folder: Path) -> dict[str, Any]:
    """Of a run folder; ConfigError says that it is none, DataError that it is damaged."""
    path = folder / "manifest.json"
    if not path.exists():
        raise ConfigError(f"{folder}: no run is there (no manifest.json); give a folder under runs/.")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise DataError(f"{path}: is damaged ({error}).") from error


def read_env(folder: Path) -> EnvInfo:
    """What the run knew of its environment."""
    known = read_manifest(folder)["env"]
    factors = {name: Factor(**factor) for name, factor in known["factors"].items()}
    tuples = {key: tuple(known[key]) for key in ("obs_shape", "action_shape", "costs", "observations")}
    return EnvInfo(**{**known, "factors": factors, **tuples})
