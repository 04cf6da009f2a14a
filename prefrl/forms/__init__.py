"""Data sets in, files that other tools read out; and back, equal but for what a form declares to lose.

    tables          a data set <-> three flat tables
    spreadsheet     the tables as CSV, safe to open in a spreadsheet
    parquet         the tables as Parquet
    label_studio    questions and answers as tasks of Label Studio
    plain_pickle    the lists and arrays of a pickle, read without unpickling
    triple          the label triple of D4RL's human preferences, with the steps it indexes
    lerobot         clips as episodes of a LeRobot data set, answers beside them
    folders         an exported folder: all of it or nothing

JSON lines are the store's own (`prefrl.store.exchange`), and so are TRL's (`prefrl.store.trl`). No form holds the true
reward, rendered clips, leases or when a question expires.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter

    from prefrl.store.data_set import DataSet
    from prefrl.store.exchange import Export
    from prefrl.types import EnvInfo


@dataclass(frozen=True, slots=True)
class Form:
    """One way of writing a data set: the module behind it has `write` and `read`."""

    summary: str
    module: str

    def write(self, data: DataSet, folder: Path) -> Counter[str]:
        """Write `data` into the new folder `folder`; how many answers or values could not be written, by reason."""
        writer: Callable[[DataSet, Path], Counter[str]] = import_module(f"prefrl.forms.{self.module}").write
        return writer(data, folder)

    def read(self, path: Path, env: EnvInfo | None) -> Export:
        """What `write` wrote. `env` is that of the data set it is for, None if there is none yet.

        Raises `ConfigError` if there is no such folder, `DataError` if it is damaged, `EnvironmentMissing` without the
        package that the form needs.
        """
        reader: Callable[[Path, EnvInfo | None], Export] = import_module(f"prefrl.forms.{self.module}").read
        return reader(path, env)


FORMS: Mapping[str, Form] = {
    "csv": Form("three tables for a spreadsheet", "spreadsheet"),
    "parquet": Form("three tables for data frames", "parquet"),
    "label_studio": Form("tasks for Label Studio, or what it exported", "label_studio"),
    "d4rl": Form("the label triple of D4RL's human preferences", "triple"),
    "lerobot": Form("clips as LeRobot episodes", "lerobot"),
}
