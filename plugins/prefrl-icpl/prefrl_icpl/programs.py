"""The folder of an ICPL run in, its programs by rank out."""

from __future__ import annotations

import json
from pathlib import Path

from prefrl.errors import ConfigError, PluginError
from prefrl.sandbox import ProgramFault
from prefrl.types import EnvInfo
from prefrl_icpl.options import ProgramsOptions
from prefrl_icpl.running import Runner, text_of
from prefrl_icpl.standings import BEST


def runners(options: ProgramsOptions, env: EnvInfo, where: str) -> list[Runner]:
    """The best `options.programs` of the run, each in a box of its own; `where` is the option that named it."""
    return [_runner(file, options, env, where) for file in _files(options.run, where)[: options.programs]]


def _files(run: Path, where: str) -> list[Path]:
    path = run / "icpl" / BEST
    if not path.exists():
        raise ConfigError(
            f"{where}: {run} is no run with procedure icpl, or none of its rounds has ended ({path} is missing)."
        )
    return [run / "icpl" / name for name in json.loads(path.read_text(encoding="utf-8"))]


def _runner(file: Path, options: ProgramsOptions, env: EnvInfo, where: str) -> Runner:
    try:
        return Runner(text_of(file, where), env, options)
    except ProgramFault as fault:
        raise PluginError(f"{where}: {file} cannot be used: {fault}") from fault
