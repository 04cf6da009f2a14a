"""Metadata, module names and folders come in; plugins that could be loaded go out, and none is imported.

Three doors: installed entry points of group ``prefrl``, modules named in YAML, plain files of a folder. Light, so that
``prefrl plugins list`` needs nothing else.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Literal

from prefrl.errors import ConfigError

GROUP = "prefrl"
BUILT_IN = "prefrl.builtin"
BLOCKING = "PREFRL_LOAD_PLUGINS"  # unset: all installed plugins; "": none; "a,b": only those


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """What is known of one plugin. `installed` means found in metadata and not imported."""

    name: str
    distribution: str  # the distribution that brings it, else the module or file it is
    version: str = ""
    status: Literal["installed", "active", "conflict", "retired", "broken"] = "installed"
    error: str = ""
    offers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # kind -> names

    def __str__(self) -> str:
        return " ".join(part for part in (self.distribution, self.version) if part)


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin that could be loaded: its record so far, where it is ("module" or "file", and which) and how to load it."""

    record: PluginRecord
    load: Callable[[], object]
    door: str = ""
    target: str = ""


def installed(environ: Mapping[str, str] = os.environ) -> Iterator[Found]:
    """Installed plugins, sorted by name, that `PREFRL_LOAD_PLUGINS` lets through; reads metadata and imports nothing."""
    wanted = None if (value := environ.get(BLOCKING)) is None else {name.strip() for name in value.split(",")}
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        if wanted is None or entry.name in wanted:
            origin = (entry.dist.name, entry.dist.version) if entry.dist is not None else (entry.value, "")
            yield Found(PluginRecord(entry.name, *origin), entry.load, "entry point", entry.value)


def files(folder: Path) -> Iterator[Found]:
    """Each ``*.py`` of `folder` that does not begin with an underscore, as a plugin."""
    if not folder.is_dir():
        raise ConfigError(f"--plugins-dir {folder}: no such folder.")
    for path in sorted(folder.glob("[!_]*.py")):
        yield file(path)


def file(path: Path) -> Found:
    """A plain Python file as a plugin."""
    return Found(PluginRecord(path.stem, str(path)), lambda: _import_file(path), "file", str(path))


def module(name: str) -> Found:
    """A module on the import path as a plugin."""
    return Found(PluginRecord(name, f"module {name}"), lambda: importlib.import_module(name), "module", name)


def built_in() -> Found:
    """What every run needs; the one plugin that cannot be blocked."""
    return replace(module(BUILT_IN), record=PluginRecord(BUILT_IN, "prefrl", metadata.version("prefrl")))


def _import_file(path: Path) -> ModuleType:
    name = f"prefrl_plugin_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded  # dataclasses and pydantic look annotations up there
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[name]
        raise
    return loaded


def every(plugins_dir: Path | None = None) -> list[Found]:
    """All plugins that a run in this environment would load, in that order."""
    return [built_in(), *installed(), *(files(plugins_dir) if plugins_dir is not None else ())]
