"""Outcomes of cells in, a folder that can be committed out; what is there need not be run again.

    cells/<key>/       raw results of a cell that finished, as its run wrote them
    failures/<key>.json  why a cell failed, and the end of its log; gone once it finishes

Raw results count wherever they lie beneath the folder. A cell is found by its key or, where its stored configuration
resolves to the wanted one (a later version of prefrl added an option that it leaves alone), by that.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from prefrl import config
from prefrl.bench.cells import Cell, key_of
from prefrl.bench.work import Outcome
from prefrl.config import Registry
from prefrl.errors import ConfigError, DataError, PrefrlError, RunError


@dataclass(frozen=True, slots=True)
class Failure:
    """The last attempt at a cell that has not finished."""

    key: str
    cell: str
    attempts: int
    error: str
    log: str


class Results:
    """The results folder of one suite."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cells, self._failures = folder / "cells", folder / "failures"

    @property
    def scratch(self) -> Path:
        """Where runs are while they last."""
        return self.folder / "running"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, nobody else runs the suite; what an earlier process left behind is removed."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"{self.folder}: cannot be written ({error.strerror}); choose another with --out."
            ) from error
        lock = FileLock(self.folder / ".lock", blocking=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise ConfigError(f"{self.folder}: another process is running this suite; end that one first.") from error
        try:
            shutil.rmtree(self.scratch, ignore_errors=True)
            yield
            shutil.rmtree(self.scratch, ignore_errors=True)
        finally:
            lock.release()

    def keep(self, outcome: Outcome) -> None:
        """Store a finished cell, whole or not at all."""
        draft = self._cells / f".{outcome.key}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, content in outcome.files.items():
            (draft / name).write_bytes(content)
        shutil.rmtree(self._cells / outcome.key, ignore_errors=True)
        draft.replace(self._cells / outcome.key)
        (self._failures / f"{outcome.key}.json").unlink(missing_ok=True)

    def fail(self, cell: Cell, outcome: Outcome) -> Failure:
        """Note that a cell failed once more."""
        before = self.failures().get(cell.key)
        attempts = 1 + (before.attempts if before is not None else 0)
        failure = Failure(cell.key, str(cell.place), attempts, outcome.error, outcome.log)
        self._failures.mkdir(parents=True, exist_ok=True)
        path = self._failures / f"{cell.key}.json"
        path.write_text(json.dumps(asdict(failure), indent=1) + "\n", encoding="utf-8")
        return failure

    def failures(self) -> Mapping[str, Failure]:
        """By key."""
        found = {}
        for path in sorted(self._failures.glob("*.json")):
            try:
                failure = Failure(**json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, TypeError) as error:
                raise DataError(f"{path}: is damaged ({error}); delete it.") from error
            found[failure.key] = failure
        return found

    def finished(self, cells: Sequence[Cell], registry: Registry) -> Mapping[str, Path]:
        """Key -> folder of its raw results, for those of `cells` that have some."""
        found = (path.parent for path in sorted(self.folder.rglob("manifest.json")))
        folders = [path for path in found if self.scratch not in path.parents and not path.name.startswith(".")]
        wanted = {cell.key for cell in cells}
        known = {path.name: path for path in folders if path.name in wanted}
        others = [path for path in folders if path.name not in wanted] if wanted - known.keys() else []
        for path in others:
            if (key := _key_today(path, registry)) in wanted - known.keys():
                known[key] = path
        return known


def _key_today(folder: Path, registry: Registry) -> str:
    """What the stored configuration's key would be now; empty if it does not resolve any more."""
    try:
        return key_of(config.resolve(config.read(folder / "config.yaml"), registry))
    except PrefrlError:
        return ""
