"""Log-probabilities under a reference that never changes: each is computed once, in this run or in an earlier one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from prefrl.types import content_hash


class ReferenceCache:
    """Key of a text -> log-probability. `path` keeps them between runs of one reference, named by its fingerprint."""

    def __init__(self, path: str | None, fingerprint: Callable[[], str]) -> None:
        self._path = None if path is None else Path(path)
        self._name = fingerprint() if self._path is not None else ""
        self.computed = 0
        self._known: dict[str, float] = {}
        if self._path is not None and self._path.is_file():
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            self._known = kept["log_probs"] if kept["reference"] == self._name else {}

    def get(self, keys: Sequence[str], compute: Callable[[Tensor], Tensor]) -> Tensor:
        """(N,) values; `compute` gives those of the rows (M,) whose keys are new."""
        new = {key: row for row, key in enumerate(keys) if key not in self._known}
        if new:
            found = compute(torch.tensor(list(new.values()))).double().tolist()
            self._known |= dict(zip(new, found, strict=True))
            self.computed += len(new)
        return torch.tensor([self._known[key] for key in keys])

    def write(self) -> None:
        """Replace the file by what is known now."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        draft.write_text(json.dumps({"reference": self._name, "log_probs": self._known}), encoding="utf-8")
        draft.replace(self._path)


def keys_of(ids: Tensor, there: Tensor) -> list[str]:
    """A name of each row of token numbers (N, L), whatever padding follows it."""
    rows = ids.masked_fill(~there, -1).cpu().numpy()
    return [content_hash(row[row >= 0].tobytes()) for row in rows]
