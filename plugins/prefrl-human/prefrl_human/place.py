"""Everything a serving process has to know, as one line of JSON: which data set, where, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefrl.options import Options
from prefrl.store import Store, open_store
from prefrl_human.options import HumanOptions


class Place(Options):
    """A data set of a store and the terms on which people rank it. Paths may be relative to the working directory."""

    url: str | None
    folder: Path
    data_set: str
    source: str = "human"  # who signs the answers
    options: HumanOptions = HumanOptions()
    run: Path | None = None  # run folder, for the live panel
    videos: Path = Path("videos")
    answers: int | None = None  # asked for in all; None: as many as there are questions
    env_kwargs: dict[str, Any] = {}
    size: int = 256
    camera: str | None = None
    seed: int = 0

    @property
    def clips(self) -> Path:
        """Where this data set's clips lie."""
        return self.videos / self.data_set.replace("/", "_")

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store, open."""
        with open_store(self.url, self.folder) as opened:
            yield opened
