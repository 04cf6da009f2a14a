"""Pydantic options models in, tables of key, type, default and meaning out, as two directives for MyST pages.

    ```{settings} FeedbackSettings        one section of a run's YAML, from prefrl.settings
    ```
    ```{offered} sources                  everything the built-in and installed plugins register under one kind
    ```

The tables are made while building, so they cannot be older than the code.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from docutils import nodes
from docutils.statemachine import StringList
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from prefrl import config, settings
from prefrl.plugins import PluginHost

SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def section(name: str) -> str:
    """The Markdown table of one model of `prefrl.settings`."""
    model: type[BaseModel] = getattr(settings, name)
    return f"{_sentence(model)}\n\n{table(model)}"


def offered(kind: str, host: PluginHost | None = None) -> str:
    """A Markdown section per thing registered under `kind`, with its options."""
    host = host if host is not None else PluginHost.from_environment()
    parts = []
    for name, spec in sorted(host.specs(kind).items()):
        needs = sorted(spec.needs) if not callable(spec.needs) else ["depends on its options"]
        parts.append(f"**`{name}`**: {spec.summary}." + (f" Reads: {', '.join(needs)}." if needs else ""))
        parts.append(table(spec.options) if spec.options.model_fields else "It has no options.")
    return "\n\n".join(parts) or "None are built in; plugins may offer some."


def table(model: type[BaseModel]) -> str:
    """Rows of key, type, default and meaning; nested models and choices are named, not expanded."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, info in _fields(model):
        rows.append(f"| `{key}` | {_type(info)} | {_default(info)} | {_cell(info.description or '')} |")
    return "\n".join(rows)


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, info in model.model_fields.items():
        if not (name == "options" and issubclass(model, settings.Chosen)):
            yield name, info


def _sentence(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip()


def _type(info: FieldInfo) -> str:
    limits = [
        f"{sign} {value:g}"
        for part in info.metadata
        for name, sign in SIGNS.items()
        if isinstance(value := getattr(part, name, None), int | float)
        and isinstance(part, annotated_types.BaseMetadata)
    ]
    return _cell(" ".join([_words(info.annotation), ", ".join(limits)]).strip())


def _words(annotation: Any) -> str:
    """A type as a writer of YAML thinks of it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(part) for part in inner))
    if origin in (tuple, list, set, frozenset):
        return f"list of {_words(inner[0])}"
    if origin is dict or annotation is dict:
        return "mapping"
    if origin is not None and inner:  # Annotated
        return _words(inner[0])
    plain = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null", Any: "anything"}
    if annotation in plain:
        return plain[annotation]
    name = getattr(annotation, "__name__", str(annotation))
    if name in {"NamedOptions", "Part"}:
        return "name with options"
    return "path" if name == "Path" else "mapping"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, settings.NamedOptions | settings.Chosen):
        return f"`{config.plain(value).get('name', '…')}`"
    if isinstance(value, BaseModel):
        return "its own defaults"
    if isinstance(value, tuple) and value and isinstance(value[0], settings.NamedOptions):
        return ", ".join(f"`{item.name}`" for item in value)
    shown = getattr(value, "name", None) or config.plain(value)
    return f"`{'null' if shown is None else str(shown).lower() if isinstance(shown, bool) else _text(shown)}`"


def _text(value: Any) -> str:
    if value == "":
        return '""'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    return f"{value:_}" if isinstance(value, int) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


class _Table(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        holder = nodes.container()
        markdown = type(self).make(self.arguments[0])
        self.state.nested_parse(StringList(markdown.splitlines(), source=self.name), self.content_offset, holder)
        return list(holder.children)

    make = staticmethod(section)


class _Offered(_Table):
    make = staticmethod(offered)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register both directives."""
    app.add_directive("settings", _Table)
    app.add_directive("offered", _Offered)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
