"""One plugin comes in; its record, or what became of its promises, goes out of a process of its own with a time limit.

What a plugin does at import (hang, exit, crash, import torch, print) stays in that process. The child writes its record as
JSON to the standard output it was started with; whatever the plugin prints goes to standard error, which is discarded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from prefrl import doors
from prefrl.doors import Found, PluginRecord
from prefrl.errors import PluginError
from prefrl.plugins import KINDS, PluginHost, conflicts

PATIENCE = 300.0  # seconds for all promises of one plugin
LIMIT = 30.0  # seconds for one import; a busy machine needs several for numpy and pydantic alone
HEAVY = ("torch", "mujoco", "stable_baselines3", "transformers")  # what must wait until something is built


Probed = tuple[PluginRecord, tuple[str, ...]]


def probe_all(found: Iterable[Found], limit: float = LIMIT) -> list[Probed]:
    """Each of `found` probed, as many at once as there are cores; names that two of them offer are marked."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda one: probe(one, limit), found))
    return list(zip(conflicts(record for record, _ in results), (heavy for _, heavy in results), strict=True))


def probe(found: Found, limit: float = LIMIT) -> Probed:
    """The record after an import elsewhere, and the heavy packages that the import brought along."""
    record = found.record
    command = [sys.executable, "-m", "prefrl.probe", found.door, found.target]
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit, env={**os.environ, "PREFRL_STRICT": ""})
    except subprocess.TimeoutExpired:
        return replace(record, status="broken", error=f"its import took longer than {limit:g} s"), ()
    try:
        told = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        reason = f"its import ended the process (exit status {done.returncode}): {' '.join(last)}"
        return replace(record, status="broken", error=reason), ()
    offers = {kind: tuple(names) for kind, names in told["offers"].items()}
    return replace(record, status=told["status"], error=told["error"], offers=offers), tuple(told["heavy"])


def judge(found: Found, limit: float = PATIENCE) -> list[dict[str, str]]:
    """What became of each promise of all that a plugin offers: kind, name, promise, says, status, seen, mend.

    Raises `PluginError` if the process hangs or dies.
    """
    command = [sys.executable, "-m", "prefrl.probe", found.door, found.target, "promises"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit, env={**os.environ, "PREFRL_STRICT": ""})
    except subprocess.TimeoutExpired as error:
        raise PluginError(f"plugin {found.record.name}: its promises took longer than {limit:g} s to try.") from error
    try:
        verdicts: list[dict[str, str]] = json.loads(done.stdout)
    except ValueError as error:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise PluginError(
            f"plugin {found.record.name}: trying its promises ended the process (exit status {done.returncode}): "
            f"{' '.join(last)}"
        ) from error
    return verdicts


def _child(door: str, target: str, promises: str = "") -> None:
    answer = os.dup(1)
    os.dup2(2, 1)  # a plugin's own printing must not mix with the answer
    if door == "file":
        found = doors.file(Path(target))
    else:
        module, _, attribute = target.partition(":")  # an entry point may name an object in a module
        found = doors.module(module)
        if attribute:
            found = replace(found, load=lambda: getattr(import_module(module), attribute))
    host = PluginHost()
    record = host.admit(found)
    told: Any = {**asdict(record), "heavy": [name for name in HEAVY if name in sys.modules]}
    if promises:
        told = _verdicts(host)
    with os.fdopen(answer, "w") as stream:
        json.dump(told, stream)


def _verdicts(host: PluginHost) -> list[dict[str, Any]]:
    from prefrl.testing.promises import TESTED, check  # may bring torch, which an import alone must not

    return [
        {"kind": KINDS[kind][1], "name": name, **asdict(verdict)}
        for kind in TESTED
        for name, spec in host.specs(kind).items()
        for verdict in check(kind, spec)
    ]


if __name__ == "__main__":
    _child(*sys.argv[1:])
