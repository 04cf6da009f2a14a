"""A name in, a folder that is either whole or absent out; and the JSON files in it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefrl.errors import ConfigError, DataError, RunError
from prefrl.store.exchange import SCHEMA_VERSION, Export, damage_named, refuse_other_version
from prefrl.store.records import env_of, env_record, to_json

HEAD = "data_set.json"


@contextmanager
def fresh(folder: Path) -> Iterator[Path]:
    """A temporary folder to write into, which becomes `folder` once the block is left without an error.

    Raises `ConfigError` if `folder` holds anything already, `RunError` if the disk refuses.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already, and an export overwrites nothing: name another folder.")
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        draft.mkdir(parents=True)
        yield draft
        if folder.is_dir():
            folder.rmdir()
        draft.replace(folder)
    except OSError as error:
        raise RunError(f"The export {folder} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """`value` as JSON that people can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(json.loads(to_json(value)), indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The JSON of `path`. `ConfigError` if there is no such file, `DataError` if it is none."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged, no JSON ({error}): export it again.") from error


def write_head(folder: Path, content: Export, **more: Any) -> None:
    """What the data set is called and about, as data_set.json."""
    head = {"schema_version": SCHEMA_VERSION, "name": content.name, "env": env_record(content.env)}
    write_json(folder / HEAD, head | more)


def read_head(folder: Path) -> tuple[Export, Mapping[str, Any]]:
    """An export with nothing in it yet, and all that data_set.json holds."""
    head = read_json(folder / HEAD)
    with damage_named(str(folder / HEAD)):
        refuse_other_version(head, str(folder / HEAD))
        return Export(str(head["name"]), env_of(head["env"])), head
