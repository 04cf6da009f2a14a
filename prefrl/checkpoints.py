"""The state of a run in, a file that is whole or not there out; and the newest whole one back.

A state is nested dictionaries, lists and tuples of plain values, arrays and tensors. It is written with `torch.save` and
read without unpickling anything else. The file is a zip archive, whose checksums tell a damaged one.
"""

from __future__ import annotations

import logging
import os
import random
import re
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

log = logging.getLogger(__name__)

ARRAY, SCALAR = "\0array", "\0scalar"  # keys that mark what NumPy held; no state of ours has such a name
NAME = re.compile(r"state_(\d+)_steps\.pt")


@runtime_checkable
class Stateful(Protocol):
    """Whatever lives across steps."""

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state: Any) -> None: ...


def state_of(part: object) -> Any:
    """Of a part that may have none."""
    return part.state_dict() if isinstance(part, Stateful) else None


def restore(part: object, state: Any) -> None:
    """What `state_of` gave, if the part has a state."""
    if isinstance(part, Stateful) and state is not None:
        part.load_state_dict(state)


def write(folder: Path, step: int, state: Mapping[str, Any], keep: int) -> Path:
    """Write the state at `step`, durably and at once, then forget all but the last `keep`."""
    folder.mkdir(exist_ok=True)
    path = folder / f"state_{step}_steps.pt"
    draft = path.with_suffix(".tmp")
    with draft.open("wb") as file:
        torch.save(packed(state), file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync(folder)
    for old in _written(folder)[keep:]:
        for beside in folder.glob(f"*_{_steps(old)}_steps.*"):  # itself and the policy saved with it
            beside.unlink()
    return path


def newest(folder: Path) -> Any | None:
    """The state of the last checkpoint that is whole; None if there is none. Damaged ones are named in a warning."""
    for path in _written(folder):
        fault = _fault(path)
        if fault is None:
            return unpacked(torch.load(path, map_location="cpu", weights_only=True))
        log.warning("Checkpoint %s is damaged (%s); going on from the one before it.", path, fault)
    return None


def _fault(path: Path) -> str | None:
    """What is wrong with the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        return str(error)
    return broken and f"checksum of {broken}"


def _written(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted((path for path in folder.glob("state_*") if NAME.fullmatch(path.name)), key=_steps, reverse=True)


def _steps(state: Path) -> int:
    match = NAME.fullmatch(state.name)
    assert match is not None, "named by `write`"
    return int(match[1])


def _sync(folder: Path) -> None:
    """The folder's own entry, so that a power cut does not undo a rename."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def packed(value: Any, at: str = "state") -> Any:
    """`value` with arrays as tensors, which `torch.save` writes without pickling code; TypeError names what cannot be."""
    match value:
        case np.generic():  # first: np.float64 is a float too
            return {SCALAR: torch.from_numpy(np.array(value))}
        case None | bool() | int() | float() | str() | bytes() | torch.Tensor():
            return value
        case np.ndarray() if value.dtype.kind in "biuf":
            return {ARRAY: torch.from_numpy(np.ascontiguousarray(value)).reshape(value.shape)}
        case Mapping():
            items = ((key, packed(inner, f"{at}.{key}")) for key, inner in value.items())
            return OrderedDict(items) if isinstance(value, OrderedDict) else dict(items)
        case tuple():
            return tuple(packed(inner, f"{at}[{i}]") for i, inner in enumerate(value))
        case list():
            return [packed(inner, f"{at}[{i}]") for i, inner in enumerate(value)]
    raise TypeError(f"{at} is a {type(value).__name__}, which a checkpoint cannot hold: make it plain in state_dict.")


def unpacked(value: Any) -> Any:
    """The inverse of `packed`."""
    match value:
        case {"\0array": torch.Tensor() as array}:
            return array.numpy()
        case {"\0scalar": torch.Tensor() as scalar}:
            return scalar.numpy()[()]
        case dict():
            return type(value)((key, unpacked(inner)) for key, inner in value.items())
        case tuple() | list():
            return type(value)(map(unpacked, value))
    return value


def generators() -> dict[str, Any]:
    """States of the process's own random generators, which SB3 draws from."""
    numpy = np.random.get_state(legacy=False)
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"python": random.getstate(), "numpy": numpy, "torch": torch.get_rng_state(), "cuda": cuda}


def set_generators(state: Mapping[str, Any]) -> None:
    """The inverse of `generators`."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
