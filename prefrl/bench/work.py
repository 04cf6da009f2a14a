"""One cell in, its raw results as bytes out: what is done in a process, or on a node, of its own."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prefrl.errors import PrefrlError

# What a result is computed from, and how it came about; models, clips and the data set are not kept.
KEPT = (
    "config.yaml", "manifest.json", "evaluations.jsonl", "random.json", "fits.jsonl", "timing.json", "calibration.json",
    "sources.json",
)  # fmt: skip
TAIL = 4_000  # characters of the log that tell of a failure


@dataclass(frozen=True, slots=True)
class Work:
    """A cell as it travels: text alone, so that another machine can do it."""

    key: str
    config: str  # YAML of the resolved settings
    plugins_dir: str | None = None
    scratch: str | None = None  # folder for the run while it lasts; None: a temporary one of the machine


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a cell."""

    key: str
    files: Mapping[str, bytes]  # empty if it failed
    seconds: float
    error: str = ""
    log: str = ""  # the end of what it printed, if it failed


def perform(work: Work) -> Outcome:
    """Run the cell from its beginning and gather its raw results; whatever goes wrong is the outcome."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    started = time.perf_counter()
    room = _room(work)
    log = room / "log.txt"
    try:
        with _printing_to(log):
            error = _train(work, room)
        folder = room / work.key
        present = [name for name in KEPT if (folder / name).is_file()] if not error else []
        files = {name: (folder / name).read_bytes() for name in present}
        tail = log.read_text(encoding="utf-8", errors="replace")[-TAIL:] if error else ""
        return Outcome(work.key, files, time.perf_counter() - started, error, tail)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _room(work: Work) -> Path:
    """An empty folder for the run."""
    if work.scratch is None:
        return Path(tempfile.mkdtemp(prefix="prefrl-cell-"))
    room = Path(work.scratch) / work.key
    shutil.rmtree(room, ignore_errors=True)  # what an attempt that was killed left
    room.mkdir(parents=True)
    return room


def _train(work: Work, room: Path) -> str:
    """Why it failed; empty if it did not."""
    try:
        from prefrl import config
        from prefrl.plugins import PluginHost
        from prefrl.procedures import train

        path = room / "config.yaml"
        path.write_text(work.config, encoding="utf-8")
        tree = config.read(path)
        plugins_dir = Path(work.plugins_dir) if work.plugins_dir else None
        host = PluginHost.from_environment(plugins_dir, config.plugins_of(tree))
        train(config.resolve(tree, host), host, room / work.key, f"prefrl bench, cell {work.key}")
    except PrefrlError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  one cell's failure is a line of the report, with its log
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return ""


@contextmanager
def _printing_to(path: Path) -> Iterator[None]:
    """Inside, standard output and error of this process, and of what it starts, are appended to `path`."""
    kept = [os.dup(1), os.dup(2)]
    _flush()
    try:
        with path.open("ab") as file:
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
            try:
                yield
            finally:
                _flush()
                for copy, descriptor in zip(kept, (1, 2), strict=True):
                    os.dup2(copy, descriptor)
    finally:
        for copy in kept:
            os.close(copy)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
