"""A tree of located values and the registered options models come in; frozen `RunSettings` go out, and their YAML again.

Two phases: `read` and `plugins_of` need no plugin; `resolve` parses strictly, every named thing with its own options model.
Each mistake becomes one line with file:line:col, the key, what is allowed and the nearest name.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import UnionType
from typing import Any, Literal, Protocol

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from prefrl.errors import ConfigError, PrefrlError, choices, sentence, shown
from prefrl.options import Options
from prefrl.settings import Choice, Chosen, NamedOptions, RunSettings
from prefrl.specs import Spec
from prefrl.tree import DEFAULT, FLOAT, INT, Mark, Node, branch, graft
from prefrl.tree import read as read

Tree = Node
KeyPath = tuple[str | int, ...]


class Registry(Protocol):
    """What is needed of the plugin host."""

    def spec(self, kind: str, name: str) -> Spec: ...

    def specs(self, kind: str) -> Mapping[str, Spec]: ...


def plugins_of(tree: Tree) -> tuple[str, ...]:
    """The modules named under ``plugins:``, read before anything else is parsed."""
    node = tree.at(("plugins",))
    if node is None or node.value is None:
        return ()
    if not isinstance(node.value, tuple) or not all(isinstance(item.value, str) for item in node.value):
        raise ConfigError(f"{node.mark}: plugins: a list of module names, not {node.plain()!r}.")
    return tuple(str(item.value) for item in node.value)


def resolve(tree: Tree, registry: Registry) -> RunSettings:
    """Settings with every default filled in; ConfigError or PluginError, one line per mistake, if anything is wrong."""
    return _resolve(tree, registry)[0]


def _resolve(tree: Tree, registry: Registry) -> tuple[RunSettings, Tree]:
    """Settings, and the tree with every choice written as ``{name: .., **options}``."""
    parser = _Parser(tree, registry)
    data = parser.section(RunSettings, tree, ())
    settings = None
    try:
        settings = RunSettings.model_validate(data)
    except ValidationError as error:
        parser.record(error, RunSettings, ())
    if parser.mistakes or settings is None:
        raise type(parser.mistakes[0])("\n".join(dict.fromkeys(map(str, parser.mistakes))))
    return settings, parser.tree


class _Parser:
    """Splits sections into the host's own keys and the options of what they name, and collects mistakes."""

    def __init__(self, tree: Tree, registry: Registry) -> None:
        self.tree = tree
        self.registry = registry
        self.mistakes: list[PrefrlError] = []

    def section(self, model: type[BaseModel], node: Node, path: KeyPath) -> Any:
        """Plain data for `model`, with options instances where a registered thing is chosen."""
        if not isinstance(node.value, Mapping):
            return node.plain()  # the model says what is wrong with it
        chosen = issubclass(model, Chosen)
        fields = {name: info for name, info in model.model_fields.items() if not (chosen and name == "options")}
        data = {} if chosen else {key: child.plain() for key, child in node.value.items() if key not in fields}
        for name, info in fields.items():
            data.update(self.field(name, info, node.value.get(name), (*path, name)))
        if issubclass(model, Chosen):
            self.choose(model, node, data, path)
        return data

    def field(self, name: str, info: FieldInfo, node: Node | None, path: KeyPath) -> dict[str, Any]:
        """``{name: data}``, or nothing to leave the field to its default or to be missed."""
        choice = next((item for item in info.metadata if isinstance(item, Choice)), None)
        if choice is not None:
            return self.choices(choice, node, info.default, path)
        inner, shape = inner_model(info.annotation)
        off = shape == "optional" and info.default is None  # a section that is not there unless it is written
        if node is None and (inner is None or info.is_required() or shape == "many" or off):
            return {}
        if inner is None or (shape == "optional" and node is not None and node.value is None):
            return {} if node is None else {name: node.plain()}
        section = branch({}) if node is None else _filled(node)
        if shape == "many" and isinstance(section.value, Mapping):
            return {name: {key: self.section(inner, _filled(one), (*path, key)) for key, one in section.value.items()}}
        return {name: self.section(inner, section, path)}

    def choose(self, model: type[Chosen], node: Node, data: dict[str, Any], path: KeyPath) -> None:
        """Parse what is not the section's own with the options of the thing it names."""
        name = data.setdefault(model.key, model.model_fields[model.key].default or path[-1])
        own = set(model.model_fields) - {"options"}
        spec = self.find(model.registry, name, (*path, model.key)) if isinstance(name, str) else None
        if spec is not None:
            data["options"] = self.options(spec, node, own, path) or {}

    def choices(
        self, choice: Choice, node: Node | None, default: Sequence[NamedOptions], path: KeyPath
    ) -> dict[str, Any]:
        """``{field: NamedOptions...}`` for every accepted way of writing a choice."""
        written = graft([item.name for item in default], DEFAULT) if node is None else node
        items = list(_spread(written, lambda name: self.main_option(choice.registry, name)))
        self.tree = _plant(self.tree, path, items[0] if len(items) == 1 else replace(written, value=tuple(items)))
        made = [self.named(choice, item, path if len(items) == 1 else (*path, i)) for i, item in enumerate(items)]
        return {str(path[-1]): [item for item in made if item is not None]} if all(made) else {}

    def named(self, choice: Choice, item: Node, path: KeyPath) -> NamedOptions | None:
        name = item.at(("name",))
        if name is None or not isinstance(name.value, str):
            self.mistakes.append(
                ConfigError(f"{item.mark}: {_dotted(path)}: a name, or a mapping with 'name' and its options.")
            )
            return None
        spec = self.find(choice.registry, name.value, (*path, "name"))
        options = self.options(spec, item, {"name", "coef"}, path) if spec is not None else None
        if options is None:
            return None
        own = {key: child.plain() for key, child in item.children.items() if key in {"name", "coef"}}
        try:
            return NamedOptions.model_validate({**own, "options": options})
        except ValidationError as error:
            self.record(error, NamedOptions, path)
            return None

    def main_option(self, kind: str, name: str) -> str | None:
        """The first option of `name`, which may be written alone."""
        spec = self.registry.specs(kind).get(name)
        return next(iter(spec.options.model_fields), None) if spec is not None else None

    def find(self, kind: str, name: str, path: KeyPath) -> Spec | None:
        try:
            return self.registry.spec(kind, name)
        except PrefrlError as error:
            self.mistakes.append(type(error)(f"{self.tree.nearest(path).mark}: {_dotted(path)}: {error}"))
            return None

    def options(self, spec: Spec, node: Node, beside: set[str], path: KeyPath) -> Options | None:
        """Parse `node` but for the keys `beside` with the options model of `spec`."""
        data = {key: child.plain() for key, child in node.children.items() if key not in beside}
        try:
            return spec.options.model_validate(data)
        except ValidationError as error:
            self.record(error, spec.options, path, beside)
            return None

    def record(
        self, error: ValidationError, model: type[BaseModel], path: KeyPath, beside: set[str] | None = None
    ) -> None:
        """Note pydantic's complaints about `model`, each with its place; `beside` are keys allowed next to its fields."""
        self.mistakes += mistakes(error, model, self.tree, path, beside)


def mistakes(
    error: ValidationError, model: type[BaseModel], tree: Tree, path: KeyPath = (), beside: set[str] | None = None
) -> Iterator[ConfigError]:
    """Pydantic's complaints about `model` at `path` of `tree` as sentences, each with file, line, column and key."""
    for fault in error.errors(include_url=False):
        full = (*path, *fault["loc"])
        node = tree.nearest(full)
        if fault["type"] == "extra_forbidden":
            owner = _model_at(model, fault["loc"][:-1])
            allowed = set(owner.model_fields) | (beside or set() if len(fault["loc"]) == 1 else set())
            said = f"{node.key}: {_dotted(full)}: unknown key. {choices(str(full[-1]), allowed)}"
        elif fault["type"] == "missing":
            said = f"{node.mark}: {_dotted(full)}: is required."
        else:  # pydantic appends the union member it tried, which no one wrote
            shown = next((full[:n] for n in range(len(full), len(path), -1) if tree.at(full[:n])), full)
            said = f"{node.mark}: {_dotted(shown)}: {_said(fault)}"
        yield ConfigError(said)


def _filled(node: Node) -> Node:
    """A section with nothing after its key means all defaults."""
    return replace(node, value={}) if node.value is None else node


def _spread(node: Node, main_option: typing.Callable[[str], str | None]) -> Iterator[Node]:
    """Every way of writing a choice as mappings with a name: null, a name, {name: .., ..}, {<name>: options}, a list."""
    if node.value is None:
        return
    if isinstance(node.value, tuple):
        for item in node.value:
            yield from _spread(item, main_option)
    elif isinstance(node.value, Mapping) and "name" not in node.value:
        for name, child in node.value.items():
            options = dict(_filled(child).children)
            if not isinstance(child.value, Mapping | None):
                options = {main_option(name) or "": child}
            if "name" in options:
                raise ConfigError(f"{options['name'].key}: it is named '{shown(name)}' already; leave out 'name'.")
            yield Node({"name": Node(name, child.key, child.key), **options}, child.mark, child.key)
    elif isinstance(node.value, str):
        yield Node({"name": node}, node.mark, node.key)
    else:
        yield node


def _plant(tree: Node, path: KeyPath, node: Node) -> Node:
    """`tree` with `node` at `path`; sections that were not written appear as defaults."""
    if not path:
        return node
    head, children = str(path[0]), dict(tree.children)
    return replace(tree, value={**children, head: _plant(children.get(head, branch({})), path[1:], node)})


def inner_model(annotation: Any) -> tuple[type[BaseModel] | None, Literal["one", "optional", "many"]]:
    """The settings model inside an annotation, and how it is held."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {typing.Union, UnionType} and type(None) in arguments:
        model, _ = inner_model(next(item for item in arguments if item is not type(None)))
        return model, "optional"
    if origin is dict:
        model, _ = inner_model(arguments[1])
        return model, "many"
    return (annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None), "one"


def _model_at(model: type[BaseModel], loc: Sequence[str | int]) -> type[BaseModel]:
    """The model that holds the field at `loc`; keys of mappings and indices are passed over."""
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = inner_model(model.model_fields[part].annotation)[0] or model
    return model


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(shown(str(part)) for part in path)


def _said(fault: ErrorDetails) -> str:
    given = repr(fault["input"])
    given = given if len(given) <= 60 else given[:57] + "..."
    if fault["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
        return f"{given} is not allowed. {choices(str(fault['input']), allowed)}"
    if fault["type"] in {"model_type", "dict_type", "model_attributes_type"}:
        return f"a mapping of keys is expected, not {given}."
    if fault["type"] == "path_type":
        return f"a path is expected, not {given}."
    message = fault["msg"].removeprefix("Value error, ") or "is refused"
    message = f"{message[0].lower()}{message[1:]}"
    if fault["type"] in {"value_error", "too_short", "too_long"}:
        return sentence(message)
    return f"{message}, not {given}."


# --- settings to YAML ------------------------------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):
    """Quotes what either our reader or a YAML 1.1 reader would take for something else than text."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(f"^(?:{INT.pattern})$"), list("-+0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"^(?:{FLOAT.pattern})$"), list("-+0123456789."))


def plain(value: Any) -> Any:
    """Settings as mappings, lists and scalars, in the shape of the YAML that `resolve` reads."""
    if isinstance(value, NamedOptions):
        return {"name": value.name, **({} if value.coef == 1 else {"coef": value.coef}), **_own_form(value.options)}
    if isinstance(value, Chosen):
        own = [value.key, *(name for name in type(value).model_fields if name not in {"options", value.key})]
        return {**{name: plain(getattr(value, name)) for name in own}, **_own_form(value.options)}
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value]
        return items[0] if len(items) == 1 and isinstance(value[0], NamedOptions) else items
    return value


def _own_form(options: Options) -> dict[str, Any]:
    """As the model itself serialises: a plugin's options may hold paths, sets or forms of their own."""
    return options.model_dump(mode="json")


def dump(settings: RunSettings) -> str:
    """The resolved configuration as YAML; reading it again gives equal settings."""
    return yaml.dump(
        plain(settings), Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """One resolved value and where it was written."""

    key: str
    value: Any
    mark: Mark


def origins(tree: Tree, registry: Registry) -> list[Origin]:
    """Every value of the resolved configuration with its origin, in order."""
    settings, written = _resolve(tree, registry)
    return list(_origins(plain(settings), (), written))


def _origins(value: Any, path: KeyPath, written: Tree) -> Iterator[Origin]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _origins(item, (*path, key), written)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _origins(item, (*path, index), written)
    else:
        node = written.at(path)
        yield Origin(_dotted(path), value, node.mark if node is not None else DEFAULT)
