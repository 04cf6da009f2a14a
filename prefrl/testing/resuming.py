"""A run, killed at a moment of one's choice and gone on with, against the same run left alone.

For procedures, reward models, sources and whatever else keeps a state: what `state_dict` forgets shows as a difference.
"""

from __future__ import annotations

import json
import os
import signal
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from prefrl import checkpoints, cli
from prefrl.fit import Trainer
from prefrl.relabel import Relabeller
from prefrl.rollout.recording import Recording
from prefrl.store import DataSet, open_store

Place = Literal["step", "answer", "fit", "relabel", "checkpoint"]
OF_TIME = ("clock", "/t", "time/", "seconds", "files")  # parts of paths whose values differ between equal runs


def killed(arguments: Sequence[str], place: Place, count: int) -> bool:
    """Run `prefrl ARGUMENTS` in a process that SIGKILL ends inside the `count`-th call of `place`; False if it ended before.

    "step" is a step of all environments, "answer" one stored answer, "fit" one member's fit, "relabel" one batch of
    learned rewards, "checkpoint" a file half written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forking beside threads
        child = os.fork()
    if child == 0:
        code = 70
        try:
            _arm(place, count)
            code = cli.main(arguments)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if code := os.waitstatus_to_exitcode(status):
        raise AssertionError(f"the run ended with exit code {code} before it could be killed")
    return False


def _arm(place: Place, count: int) -> None:
    """In the child: count calls, and die within one."""
    left = count

    def fatal() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    def after(owner: Any, name: str) -> None:
        plain = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = plain(*args, **kwargs)
            if fatal():
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, call)

    if place == "checkpoint":
        plain = torch.save

        def half(state: Any, file: Any, *args: Any, **kwargs: Any) -> None:
            plain(state, file, *args, **kwargs)
            if Path(getattr(file, "name", "")).suffix == ".tmp" and fatal():
                file.flush()
                os.truncate(file.name, Path(file.name).stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)

        setattr(torch, "save", half)  # noqa: B010  mypy takes a plain assignment for a mistake
    else:
        owners = {
            "step": (Recording, "add"), "answer": (DataSet, "add"),
            "fit": (Trainer, "_fit_member"), "relabel": (Relabeller, "_combined"),
        }  # fmt: skip
        after(*owners[place])


def differences(one: Path, other: Path) -> list[str]:
    """What two finished run folders do not share: policy, optimisers, replay, reward model, generators, logs, answers."""
    found = dict(_contents(one)), dict(_contents(other))
    keys = found[0].keys() | found[1].keys()
    return sorted(
        key for key in keys if key not in found[0] or key not in found[1] or not _same(*(f[key] for f in found))
    )


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        a, b = a.detach().cpu().numpy(), b.detach().cpu().numpy()
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return bool(a == b) or (a != a and b != b)  # NaN is equal to itself here


def _contents(folder: Path) -> Iterator[tuple[str, Any]]:
    state = checkpoints.newest(folder / "checkpoints")
    found = {"checkpoint": state, "model": _zipped(folder / "model.zip")}
    found["reward_model"] = torch.load(folder / "reward_model.pt", weights_only=True)
    for name in ("run_log.jsonl", "fits.jsonl", "evaluations.jsonl", "progress.json"):
        found[name] = [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
    with open_store(None, folder.parent) as store:
        data = store.data_set(json.loads((folder / "manifest.json").read_text())["run"])
        found["answers"] = [(position, p.id, str(p.answer)) for position, p in data.preferences()]
        found["open"] = data.open_queries()
        found["damaged"] = data.verify()
    for path, value in leaves(found):
        if not any(part in path for part in OF_TIME):
            yield path, value


def _zipped(path: Path) -> dict[str, Any]:
    """The tensors of an SB3 file."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".pth")]
        return {name: torch.load(archive.open(name), weights_only=True) for name in names}


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """(path, plain value) of everything in a nested state."""
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from leaves(inner, f"{at}/{key}")
        case tuple() | list():
            for i, inner in enumerate(value):
                yield from leaves(inner, f"{at}/{i}")
        case _:
            yield at, value
