"""The command line and the store's tables in, Markdown out, as two directives for MyST pages; made while building.

```{verb} data collect        one verb, its arguments and options; a group lists its verbs
```
```{table_of} preference      one table of the store: column, type, what it holds
```
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer.main
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from prefrl import verbs
from prefrl.cli import app
from prefrl.store import schema

# --- the command line ------------------------------------------------------------------------------------------------


def named(path: str) -> Any:
    """The command of ``data collect``; verbs of installed plugins are imported."""
    group: Any = typer.main.get_command(app)
    first, *rest = path.split()
    command = group.commands.get(first) or verbs._load_verb(first, group.list_commands(None))
    for name in rest:
        command = command.commands[name]
    return command


def every_verb() -> list[str]:
    """Paths of all verbs, of groups the group and each of its verbs."""
    group: Any = typer.main.get_command(app)
    found = []
    for name in sorted(group.list_commands(None)):
        found.append(name)
        found += [f"{name} {inner}" for inner in sorted(getattr(named(name), "commands", {}))]
    return found


def verb(path: str) -> str:
    """Its usage, its sentence and its options."""
    command = named(path)
    help_text = inspect.cleandoc(command.help or "")
    if hasattr(command, "commands"):
        return f"{help_text}\n\nVerbs: {', '.join(f'`{name}`' for name in sorted(command.commands))}."
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    usage = " ".join(["prefrl", path, *(_argument(param) for param in arguments)])
    rows = [row for param in command.params for row in _rows(param)]
    table = "\n".join(["| argument or option | default | meaning |", "|---|---|---|", *rows]) if rows else ""
    return f"`{usage}`\n\n{help_text}\n\n{table}"


def _argument(param: Any) -> str:
    shown = (param.metavar or param.name.upper()).strip("[]")
    return shown if param.required else f"[{shown}]"


def _rows(param: Any) -> Iterator[str]:
    if "--help" in param.opts:
        return
    if param.param_type_name == "argument":
        shown = _argument(param).strip("[]")
    else:
        flag = getattr(param, "is_flag", False)
        shown = " ".join([", ".join(param.opts), *([] if flag else [param.metavar or param.name.upper()])])
    default = param.default
    plain = isinstance(default, int | float | str) and not isinstance(default, bool)
    value = "required" if param.required else f"`{default}`" if plain and default != "" else ""
    cells = [f"`{shown}`", value, param.help or ""]
    yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


# --- the store -------------------------------------------------------------------------------------------------------


def table_of(name: str) -> str:
    """Columns of one table; meanings are the comments beside them in the source."""
    table = schema.metadata.tables[name]
    notes = _notes(name)
    rows = ["| column | type | holds |", "|---|---|---|"]
    for column in table.columns:
        key = " (key)" if column.primary_key else "" if column.nullable is False else ", may be null"
        rows.append(f"| `{column.name}` | {str(column.type).lower()}{key} | {notes.get(column.name, '')} |")
    return "\n".join(rows)


def _notes(name: str) -> dict[str, str]:
    source = inspect.getsource(schema)
    body = re.search(rf"^{name} = sa\.Table\(\n(.*?)^\)", source, flags=re.MULTILINE | re.DOTALL)
    assert body is not None
    return dict(re.findall(r'sa\.Column\("(\w+)".*?\),  # (.*)', body[1])) | {"data_set": "which data set"}


# --- directives ------------------------------------------------------------------------------------------------------


class _Markdown(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        holder = nodes.container()
        markdown = type(self).make(self.arguments[0])
        self.state.nested_parse(StringList(markdown.splitlines(), source=self.name), self.content_offset, holder)
        return list(holder.children)

    make = staticmethod(verb)


class _TableOf(_Markdown):
    make = staticmethod(table_of)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register both directives."""
    app.add_directive("verb", _Markdown)
    app.add_directive("table_of", _TableOf)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
