"""YAML files and ``--set`` values come in; one merged tree of values that know their file, line and column goes out.

Plain data only, by YAML 1.2's rules for scalars (``off`` is text, ``3e-4`` and ``200_000`` are numbers), with limits on size,
depth and aliases. Nothing is evaluated and no tag constructs an object.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from prefrl.errors import ConfigError, choices, sentence, shown
from prefrl.options import MAX_BITS

SHIPPED = (Path(__file__).parent / "configs", Path(__file__).parents[1] / "configs")  # in a wheel, in a checkout
MAX_BYTES = 1_000_000
MAX_DEPTH = 50  # of mappings and lists, of files that extend one another, of keys after --set
MAX_ALIASES = 100
MAX_NODES = 20_000  # after aliases are followed, so that a few lines cannot expand without end

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value was written: a file's line and column (from 1), or a ``--set`` argument."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        source = shown(self.source)
        return f"{source}:{self.line}:{self.column}" if self.line else source


DEFAULT = Mark("default")


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its mark; `key` is the mark of the key that leads to it."""

    value: Scalar | Mapping[str, Node] | tuple[Node, ...]
    mark: Mark
    key: Mark

    @property
    def children(self) -> Mapping[str, Node]:
        """Of a mapping by key, of a list by index, of a scalar none."""
        if isinstance(self.value, Mapping):
            return self.value
        return {str(i): item for i, item in enumerate(self.value)} if isinstance(self.value, tuple) else {}

    def plain(self) -> Any:
        """Without marks."""
        if isinstance(self.value, Mapping):
            return {key: child.plain() for key, child in self.value.items()}
        return [child.plain() for child in self.value] if isinstance(self.value, tuple) else self.value

    def at(self, path: Sequence[str | int]) -> Node | None:
        """The node at `path`, None where it ends before."""
        node: Node | None = self
        for part in path:
            node = node.children.get(str(part)) if node is not None else None
        return node

    def nearest(self, path: Sequence[str | int]) -> Node:
        """The node at the longest part of `path` that exists."""
        return next(node for end in range(len(path), -1, -1) if (node := self.at(path[:end])) is not None)


def branch(value: Mapping[str, Node], mark: Mark = DEFAULT) -> Node:
    """A mapping node."""
    return Node(value, mark, mark)


def graft(value: Any, mark: Mark) -> Node:
    """Plain data as a tree whose every node has the same mark."""
    if isinstance(value, Mapping):
        return Node({str(key): graft(child, mark) for key, child in value.items()}, mark, mark)
    if isinstance(value, list | tuple):
        return Node(tuple(graft(child, mark) for child in value), mark, mark)
    return Node(value, mark, mark)


# --- text to nodes ---------------------------------------------------------------------------------------------------

_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Composes nodes only. Scalars are YAML 1.2's; depth and aliases are counted while composing."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # filled below
    depth = 0
    aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        self.aliases += self.check_event(yaml.AliasEvent)
        if self.depth > MAX_DEPTH or self.aliases > MAX_ALIASES:
            what = f"nested deeper than {MAX_DEPTH}" if self.depth > MAX_DEPTH else f"more than {MAX_ALIASES} aliases"
            raise yaml.composer.ComposerError(None, None, what, self.peek_event().start_mark)  # type: ignore[no-untyped-call]  # the stubs leave it untyped
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


INT = re.compile(r"[-+]?[0-9][0-9_]*|0x[0-9a-fA-F_]+|0o[0-7_]+")
FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
for _tag, _pattern, _first in (
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("int", INT, list("-+0123456789")),
    ("float", FLOAT, list("-+0123456789.")),
    ("merge", re.compile("<<"), ["<"]),
):
    _Loader.add_implicit_resolver(_TAG + _tag, re.compile(f"^(?:{_pattern.pattern})$"), _first)


def _number(text: str) -> int:
    number = int(text.replace("_", ""), 0) if text[:2] in {"0x", "0o"} else int(text)
    if number.bit_length() > MAX_BITS:
        raise ValueError
    return number


def _real(text: str) -> float:
    return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


def _text_in(text: str) -> str:
    text.encode()  # half a surrogate pair, written as an escape, could be stored and printed nowhere
    return text


_READ: Mapping[str, Callable[[str], Scalar]] = {
    "null": {"": None, "~": None, "null": None}.__getitem__,
    "bool": {"true": True, "false": False}.__getitem__,
    "int": _number,
    "float": _real,
    "str": _text_in,
}


class _Reader:
    """Turns PyYAML's nodes of one source into ours."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.located = not source.startswith("--set")
        self.nodes = 0

    def mark(self, node: yaml.Node) -> Mark:
        return self.mark_of(node.start_mark)

    def mark_of(self, start: yaml.Mark | None) -> Mark:
        """Ours of one of PyYAML's."""
        if not self.located or start is None:
            return Mark(self.source)
        return Mark(self.source, start.line + 1, start.column + 1)

    def place(self, before: str) -> Mark:
        """Where `before`, the text up to it, ends."""
        line = before.count("\n")
        return Mark(self.source, line + 1, len(before) - before.rfind("\n")) if self.located else Mark(self.source)

    def node(self, node: yaml.Node, key: Mark, depth: int = 0) -> Node:
        mark = self.mark(node)
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ConfigError(f"{mark}: aliases expand this file beyond {MAX_NODES} values or {MAX_DEPTH} levels.")
        if isinstance(node, yaml.ScalarNode):
            return Node(self.scalar(node, mark), mark, key)
        if node.tag != _TAG + ("seq" if isinstance(node, yaml.SequenceNode) else "map"):
            raise _bad_tag(node, mark)
        if isinstance(node, yaml.SequenceNode):
            return Node(tuple(self.node(item, self.mark(item), depth + 1) for item in node.value), mark, key)
        assert isinstance(node, yaml.MappingNode)
        return Node(self.mapping(node, depth), mark, key)

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Node]:
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for key_node, value_node in node.value:
            where = self.mark(key_node)
            if key_node.tag == _TAG + "merge":
                for base in self.merge_sources(value_node):
                    merged = {**self.node(base, where, depth + 1).children, **merged}
                continue
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TAG + "str":
                raise ConfigError(f"{where}: keys are text; put this one in quotes or correct it.")
            key = str(self.scalar(key_node, where))
            if key in own:
                raise ConfigError(f"{where}: duplicate key '{shown(key)}'; it stands at {own[key].key} already.")
            own[key] = self.node(value_node, where, depth + 1)
        return {**merged, **own}

    def merge_sources(self, node: yaml.Node) -> Sequence[yaml.Node]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if any(not isinstance(source, yaml.MappingNode) for source in sources):
            raise ConfigError(f"{self.mark(node)}: '<<' merges mappings only.")
        return list(sources)

    def scalar(self, node: yaml.ScalarNode, mark: Mark) -> Scalar:
        read = _READ.get(node.tag.removeprefix(_TAG))
        if read is None:
            raise _bad_tag(node, mark)
        kind = node.tag.removeprefix(_TAG)
        try:
            return read(node.value.lower() if kind in {"null", "bool"} else node.value)
        except (ValueError, KeyError):
            raise ConfigError(
                f"{mark}: {node.value[:40]!r} is not {'valid text' if kind == 'str' else f'a valid {kind}'}."
            ) from None


def _bad_tag(node: yaml.Node, mark: Mark) -> ConfigError:
    return ConfigError(
        f"{mark}: tag '{shown(node.tag[:60])}' is not supported; write plain values, mappings and lists."
    )


def parse(text: str, source: str) -> Node:
    """One YAML document as a tree; every fault is a ConfigError with its place."""
    reader = _Reader(source)
    loader = None
    try:
        loader = _Loader(text)
        document = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        where = reader.mark_of(error.problem_mark or error.context_mark)
        raise ConfigError(f"{where}: {sentence(error.problem or error.context or 'not YAML')}") from None
    except yaml.reader.ReaderError as error:
        where = reader.place(text[: error.position])
        raise ConfigError(
            f"{where}: {text[error.position]!r} cannot stand in YAML; write an escape in quotes."
        ) from None
    except (ValueError, OverflowError):  # PyYAML hands escapes and version numbers to `chr` and `int` unchecked
        where = reader.mark_of(loader.get_mark() if loader is not None else None)
        raise ConfigError(f"{where}: a number before this place is beyond what it may be.") from None
    finally:
        if loader is not None:
            loader.dispose()
    top = reader.place("")
    return Node(None, top, top) if document is None else reader.node(document, top)


# --- files to one tree -----------------------------------------------------------------------------------------------


def read(path: Path, sets: Sequence[str] = ()) -> Node:
    """The file, what it extends beneath it, and ``--set`` values on top; `shipped` files are found from anywhere."""
    tree = _extended(shipped(path, path), ())
    for argument in sets:
        tree = _set(tree, argument)
    return tree


def shipped(path: Path, name: Path) -> Path:
    """`path`, or if nothing is there, what comes with prefrl under `name`: methods/pebble.yaml, configs/demo.yaml."""
    inside = Path(*name.parts[1:]) if name.parts[:1] == ("configs",) else name
    try:
        if path.exists() or inside.is_absolute() or ".." in inside.parts:
            return path
        ours = next((folder / inside for folder in SHIPPED if folder.is_dir()), path)
        return ours if ours.is_file() else path
    except OSError:  # no name for a file; reading it says so
        return path


def _extended(path: Path, above: tuple[Path, ...], named: Mark | None = None) -> Node:
    identity = Path(os.path.realpath(path))
    if identity in above or len(above) > MAX_DEPTH:
        circle = identity in above
        files = (*(above[above.index(identity) :] if circle else above[-3:]), identity)
        what = "extends cycle" if circle else f"more than {MAX_DEPTH} files extend one another"
        raise ConfigError(f"{named}: {what}: {' -> '.join(shown(os.path.relpath(file)) for file in files)}.")
    own = parse(_text(path, named), str(path))
    if own.value is None:
        own = replace(own, value={})
    if not isinstance(own.value, Mapping):
        raise ConfigError(f"{own.mark}: a configuration is a mapping of sections such as 'env:' and 'algo:'.")
    return _on_bases(own, path.parent, (*above, identity))


def based(node: Node, folder: Path) -> Node:
    """A mapping inside a file, with the files that its own ``extends`` names, relative to `folder`, beneath it."""
    if node.value is None:
        node = replace(node, value={})
    if not isinstance(node.value, Mapping):
        raise ConfigError(f"{node.mark}: a mapping of sections such as 'env:' and 'algo:', or null.")
    return _on_bases(node, folder, ())


def _on_bases(own: Node, folder: Path, above: tuple[Path, ...]) -> Node:
    merged = branch({}, own.mark)
    for base in _bases(own.children.get("extends")):
        file = shipped(Path(os.path.normpath(folder / str(base.value))), Path(str(base.value)))
        merged = merge(merged, _extended(file, above, base.mark))
    rest = {key: child for key, child in own.children.items() if key != "extends"}
    return merge(merged, replace(own, value=rest))


def _bases(extends: Node | None) -> Iterator[Node]:
    if extends is None or extends.value is None:
        return
    for item in extends.value if isinstance(extends.value, tuple) else (extends,):
        if not isinstance(item.value, str) or "\0" in item.value:
            raise ConfigError(f"{item.mark}: extends: a file name or a list of them, relative to this file.")
        yield item


def _text(path: Path, named: Mark | None) -> str:
    where = f"{named}: extends: {shown(str(path))}" if named is not None else shown(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        near = path.parent.glob("*.y*ml") if path.parent.is_dir() else ()
        raise ConfigError(f"{where}: no such file. {choices(path.name, (file.name for file in near))}") from None
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {error.strerror}.") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{where}: larger than {MAX_BYTES // 1000} kB; this is no configuration.")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        place = _Reader(str(path)).place(data[: error.start].decode(errors="replace"))
        raise ConfigError(f"{place}: not UTF-8 text (byte {data[error.start]:#04x}).") from None


def merge(under: Node, over: Node) -> Node:
    """Mappings merge deep; everything else, lists included, is replaced by `over`."""
    if not (isinstance(under.value, Mapping) and isinstance(over.value, Mapping)):
        return over
    merged = dict(under.value)
    for key, child in over.value.items():
        merged[key] = merge(merged[key], child) if key in merged else child
    return replace(over, value=merged)


def _set(tree: Node, argument: str) -> Node:
    path, equals, text = argument.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys) or len(keys) > MAX_DEPTH:
        raise ConfigError(f"--set {argument}: write --set section.key=value.")
    source = f"--set {argument}"
    return _put(tree, keys, parse(text, source), Mark(source))


def _put(node: Node | None, keys: Sequence[str], value: Node, mark: Mark) -> Node:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if node is None or node.value is None:
        return Node({key: _put(None, rest, value, mark)}, mark, mark)
    if isinstance(node.value, Mapping):
        return replace(node, value={**node.value, key: _put(node.value.get(key), rest, value, mark)})
    if isinstance(node.value, tuple) and key in node.children:
        items = [_put(item, rest, value, mark) if i == int(key) else item for i, item in enumerate(node.value)]
        return replace(node, value=tuple(items))
    raise ConfigError(f"{mark}: there is no '{key}' to set in {node.plain()!r}, which stands at {node.mark}.")
