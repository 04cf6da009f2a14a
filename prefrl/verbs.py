"""Entry points of installed plugins in, verbs of the command line out; each is imported when it is called."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata
from typing import Any

import typer
from typer.core import TyperGroup

from prefrl.errors import ConfigError, PluginError, choices

VERBS = "prefrl.commands"  # entry-point group: verb -> typer app
OURS_ELSEWHERE = {"rank": "prefrl-human"}  # verbs of our plugins, named where they are missing


class Verbs(TyperGroup):
    """Our own verbs, and those of installed plugins, which are imported when called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *sorted(set(_foreign()) - set(self.commands))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Ours, or a line for ``prefrl --help``."""
        own, entries = super().get_command(ctx, cmd_name), _foreign().get(cmd_name)
        if own is not None or not entries:
            return own
        stand_in = typer.Typer(add_completion=False)
        stand_in.command(cmd_name, help=f"From {' and from '.join(map(_origin, entries))}.")(lambda: None)
        return typer.main.get_command(stand_in)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name in self.commands or name.startswith("-"):
            return super().resolve_command(ctx, args)
        return name, _load_verb(name, self.list_commands(ctx)), args[1:]


def _foreign() -> dict[str, list[metadata.EntryPoint]]:
    entries: dict[str, list[metadata.EntryPoint]] = {}
    for entry in metadata.entry_points(group=VERBS):
        entries.setdefault(entry.name, []).append(entry)
    return entries


def _origin(entry: metadata.EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value


def _load_verb(name: str, known: Iterable[str]) -> Any:
    entries = _foreign().get(name, [])
    if not entries and name in OURS_ELSEWHERE:
        package = OURS_ELSEWHERE[name]
        raise PluginError(f"the verb '{name}' comes with {package}, which is not installed: pip install {package}")
    if not entries:
        raise ConfigError(f"prefrl: no verb '{name}'. {choices(name, known)}")
    if len(entries) > 1:
        raise PluginError(f"the verb '{name}' is offered by {' and by '.join(map(_origin, entries))}; uninstall one.")
    try:
        return typer.main.get_command(entries[0].load())
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"the verb '{name}' of {_origin(entries[0])} failed to load: {reason}") from error
