"""Data sets as JSON lines: rows in, one line per record out; and back, refusing a damaged line by its number.

Every line is an object with "schema_version" and "type", in this order of types:

    data_set     name, env
    item         id, kind and what it holds beside arrays (a segment: env_id, episode, start, ...; a text: all of it)
    query        id, number, kind, question, why, round, items [id, ...]
    preference   position and the fields of `prefrl.types.Preference`
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefrl.errors import ConfigError, DataError, RunError
from prefrl.store.records import (
    Record,
    env_of,
    env_record,
    preference_of,
    preference_of_row,
    preference_record,
    to_json,
)
from prefrl.types import EnvInfo, Preference, Segment

SCHEMA_VERSION = 1
Line = Record


@dataclass(slots=True)
class Export:
    """What a data set or a file holds: rows of items and queries, preferences in the order of their positions."""

    name: str
    env: EnvInfo
    items: list[Record] = field(default_factory=list)
    queries: list[Record] = field(default_factory=list)
    preferences: list[Preference] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)  # those of the items whose arrays came along


@dataclass(frozen=True, slots=True)
class Imported:
    """How much was new."""

    queries: int
    preferences: int


def refuse_other_env(known: EnvInfo, other: EnvInfo, where: str) -> None:
    """Raise `DataError` unless both are one environment: id, observations and actions. Words and factors may differ."""
    for name in ("id", "obs_shape", "action_shape", "discrete_actions"):
        if getattr(known, name) != getattr(other, name):
            raise DataError(
                f"{where} is about another environment ({name} {getattr(other, name)}, here {getattr(known, name)}):"
                " choose another data set."
            )


# --- out -----------------------------------------------------------------------------------------------------------


def data_set_line(name: str, env: EnvInfo) -> Line:
    """The first line."""
    return {"type": "data_set", "name": name, "env": env_record(env)}


def line_of_row(kind: str, row: Mapping[str, Any]) -> Line:
    """The line of a row of table `kind`."""
    match kind:
        case "item":
            return {"type": kind, "id": row["id"], "kind": row["kind"], "data": json.loads(row["data"])}
        case "query":
            plain = {name: row[name] for name in ("id", "number", "kind", "question", "why", "round")}
            return {"type": kind, **plain, "items": json.loads(row["items"])}
        case _:
            values = {name: value for name, value in row.items() if name not in ("data_set", "position")}
            return {"type": kind, "position": row["position"], **preference_record(preference_of_row(values))}


def write_export(path: Path, lines: Iterable[Line]) -> None:
    """Write all lines or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                for line in lines:
                    file.write(to_json({"schema_version": SCHEMA_VERSION, **line}) + "\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"The export {path} cannot be written: {error.strerror}.") from error


# --- in ------------------------------------------------------------------------------------------------------------


def env_of_export(path: Path) -> EnvInfo:
    """The environment that an exported file is about; errors as of `read_export`."""
    for number, line in _lines(path):
        try:
            return env_of(line["env"])
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}:{number} is no first line of an export: export it again.") from error
    raise DataError(f"{path} is empty: name a file that an export wrote.")


def read_export(path: Path, env: EnvInfo) -> Export:
    """Read what `write_export` wrote about the environment `env`.

    Raises `ConfigError` if there is no such file; `DataError` for another environment, another schema version, or a
    line that is damaged (it names the line).
    """
    content: Export | None = None
    for number, line in _lines(path):
        with damage_named(f"{path}:{number}"):
            refuse_other_version(line, f"{path}:{number}")
            if content is None:
                content = Export(line["name"], env_of(line["env"]))
                refuse_other_env(env, content.env, str(path))
            else:
                take_line(content, line)
    if content is None:
        raise DataError(f"{path} is empty: name a file that an export wrote.")
    return content


@contextmanager
def damage_named(where: str) -> Iterator[None]:
    """What cannot be made a record of becomes one sentence that names the place."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{where} is damaged ({type(error).__name__}: {error}): export it again.") from error


def refuse_other_version(record: Mapping[str, Any], where: str) -> None:
    """Raise `DataError` unless `record` was written in the schema that is read here."""
    if record["schema_version"] != SCHEMA_VERSION:
        raise DataError(
            f"{where} has schema version {record['schema_version']}, this prefrl reads {SCHEMA_VERSION}: export it"
            " again with this version, or upgrade prefrl."
        )


def take_line(content: Export, line: Line) -> None:
    """Add the record of one line; `KeyError`, `TypeError` or `ValueError` if it is none."""
    _READERS[line["type"]](content, line)


def _lines(path: Path) -> Iterator[tuple[int, Line]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                try:
                    line = json.loads(text)
                except ValueError as error:
                    raise DataError(f"{path}:{number} is damaged, no JSON ({error}): export it again.") from error
                if not isinstance(line, dict):
                    raise DataError(f"{path}:{number} is damaged, it is not an object: export it again.")
                yield number, line
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is damaged, it is not UTF-8 text: export it again.") from error
    except OSError as error:
        raise ConfigError(f"The recorded preferences {path} cannot be read: {error.strerror}.") from error


def _read_item(content: Export, line: Line) -> None:
    row = {"id": line["id"], "kind": line["kind"], "data": to_json(dict(line["data"])), "pack": None, "arrays": None}
    content.items.append(row)


def _read_query(content: Export, line: Line) -> None:
    row = {name: line[name] for name in ("id", "kind", "question", "why", "round")}
    content.queries.append(row | {"items": to_json(list(line["items"]))})


def _read_preference(content: Export, line: Line) -> None:
    values = {name: value for name, value in line.items() if name not in ("schema_version", "type", "position")}
    content.preferences.append(preference_of(values))


_READERS: Mapping[str, Callable[[Export, Line], None]] = {
    "item": _read_item,
    "query": _read_query,
    "preference": _read_preference,
}
