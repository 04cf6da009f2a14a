"""Arrays of many items in one content-addressed file: items in, (file, place, hash) out; and back, verified.

A pack is what `numpy.save` writes, array after array, so it can be read without prefrl. Its name is the SHA-256 of its
bytes. It is complete and on disk (tmp, fsync, rename, fsync of the folder) before anything may refer to it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from prefrl.errors import CorruptStore, RunError
from prefrl.types import Array

Place = tuple[int, int, str]  # offset, bytes, sha256
_CURE = "restore the file from a backup, or leave this data set and start a new one"


class Packs:
    """A folder of packs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, items: Iterable[Mapping[str, Any]]) -> tuple[str, list[dict[str, Place]]]:
        """Write the arrays of `items` (channel -> array-like) as one pack; its name and the places, item by item.

        Raises `RunError` when the disk refuses; then no pack of that name is left behind.
        """
        with _sentences(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = self.folder / f"{secrets.token_hex(8)}.tmp"
            try:
                with temporary.open("xb") as file:
                    name, places = _write(file, items)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self._path(name))
            finally:
                temporary.unlink(missing_ok=True)
            _sync_folder(self.folder)
        return name, places

    def read(self, name: str, wanted: Sequence[tuple[str, str, Place]]) -> Iterator[tuple[str, str, Array]]:
        """Yield (item, channel, array) for every wanted (item, channel, place) of one pack, each checked by its hash."""
        path = self._path(name)
        try:
            with path.open("rb") as file:
                for item, channel, (offset, size, digest) in wanted:
                    file.seek(offset)
                    data = file.read(size)
                    if hashlib.sha256(data).hexdigest() != digest:
                        raise CorruptStore(f"{channel} of item {item} does not match its hash in {path}: {_CURE}.")
                    yield item, channel, np.load(BytesIO(data), allow_pickle=False)
        except FileNotFoundError as error:
            raise CorruptStore(f"{path} with arrays of item {wanted[0][0]} is missing: {_CURE}.") from error
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror}.") from error

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"


def _write(file: BinaryIO, items: Iterable[Mapping[str, Any]]) -> tuple[str, list[dict[str, Place]]]:
    whole, offset = hashlib.sha256(), 0
    places: list[dict[str, Place]] = []
    for arrays in items:
        places.append({})
        for channel, array in arrays.items():
            buffer = BytesIO()
            np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
            data = buffer.getvalue()
            whole.update(data)
            file.write(data)
            places[-1][channel] = (offset, len(data), hashlib.sha256(data).hexdigest())
            offset += len(data)
    return whole.hexdigest(), places


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _sentences(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"Items cannot be written to {folder}: {error.strerror} (every answer acknowledged so far is safe):"
            " free some space or make the folder writable, then go on."
        ) from error
