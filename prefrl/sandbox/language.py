"""A program's text in, what is wrong with it out, by line: a positive list, so that whoever wrote it can mend it.

This is for good messages and speed. It is never what keeps a program from harm: that is `box`.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prefrl.sandbox import names

MAX_CHARACTERS = 20_000
MAX_DEPTH = 40  # of brackets: deeper texts are hard on parsers
MAX_NODES = 6_000
MAX_NUMBER = 10**12
MAX_EXPONENT = 64  # of a constant


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is not allowed. `line` counts from 1; 0 where it is the text as a whole."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}" if self.line else self.what


def complaints(text: str, entry: str, arguments: Sequence[str]) -> list[Complaint]:
    """Everything that keeps `text` from being run, in the order of its lines; empty if nothing does.

    It must define ``def <entry>(<arguments>)`` and use the syntax and names of `prefrl.sandbox.names` alone.
    """
    too_much = _too_much(text)
    if too_much:
        return [Complaint(0, too_much)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text)
    except SyntaxError as error:
        return [Complaint(error.lineno or 0, f"it is no Python: {error.msg}.")]
    except (ValueError, RecursionError, MemoryError):
        return [Complaint(0, "it is no Python that can be read.")]
    nodes = list(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        return [Complaint(0, f"it has {len(nodes)} parts; at most {MAX_NODES}.")]
    known = names.BUILTINS | {"np", "numpy", "math", "_"} | set(_bound(nodes))
    found = [complaint for node in nodes for complaint in _of(node, known)]
    return sorted({*found, *_of_entry(tree, entry, arguments)}, key=lambda complaint: complaint.line)


def _too_much(text: str) -> str:
    if len(text) > MAX_CHARACTERS:
        return f"it has {len(text)} characters; at most {MAX_CHARACTERS}."
    if "\0" in text:
        return "it holds a NUL byte."
    depth = deepest = signs = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
        signs = signs + 1 if character in "-+~ " else 0
        if signs > 200:
            return "it has 200 signs in a row."
    return f"brackets lie {deepest} deep; at most {MAX_DEPTH}." if deepest > MAX_DEPTH else ""


def _bound(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Names that the text gives a meaning to, wherever it does."""
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.ImportFrom(names=imported):
                yield from (one.asname or one.name for one in imported)


def _of_entry(tree: ast.Module, entry: str, arguments: Sequence[str]) -> Iterator[Complaint]:
    wanted = f"def {entry}({', '.join(arguments)})"
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry]
    if not defined:
        yield Complaint(0, f"it must define {wanted} at the top level.")
    for node in defined:
        if [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)] != list(arguments):
            yield Complaint(node.lineno, f"the function must be {wanted}.")


def _of(node: ast.AST, known: set[str] | frozenset[str]) -> Iterator[Complaint]:
    line = getattr(node, "lineno", 0)
    if not isinstance(node, names.SYNTAX):
        if line:  # what has none is part of a statement that is refused
            yield Complaint(line, f"{_word(node)} is not allowed.")
        return
    match node:
        case ast.FunctionDef(decorator_list=[_, *_]):
            yield Complaint(line, "a decorator is not allowed.")
        case ast.arguments(vararg=ast.arg(lineno=line)) | ast.arguments(kwarg=ast.arg(lineno=line)):
            yield Complaint(line, "* and ** arguments are not allowed.")
        case ast.Import() | ast.ImportFrom():
            yield from _of_import(node)
        case ast.Name(id=name) if name not in known:
            yield Complaint(line, f"'{name}' is not known; NumPy is there as np.")
        case ast.Attribute():
            yield from _of_attribute(node)
        case ast.Constant(value=value):
            yield from _of_constant(value, line)
        case ast.BinOp(op=ast.Pow(), left=ast.Constant(), right=right) if not _small(right):
            yield Complaint(line, f"a constant to a power above {MAX_EXPONENT} is not allowed.")
        case ast.FormattedValue(format_spec=ast.AST()):
            yield Complaint(line, "a format after : is not allowed in text.")
        case ast.Call(func=func) if not isinstance(func, ast.Name | ast.Attribute | ast.Lambda):
            yield Complaint(line, "only what has a name can be called.")
    for field in ("id", "name", "arg", "attr", "asname"):
        yield from _of_name(getattr(node, field, None), line)


def _of_name(name: object, line: int) -> Iterator[Complaint]:
    if isinstance(name, str) and name not in {"_", "__future__"} and (name.startswith("_") or not name.isascii()):
        yield Complaint(line, f"the name {name!a} is not allowed; names are ASCII and do not begin with _.")


def _of_import(node: ast.Import | ast.ImportFrom) -> Iterator[Complaint]:
    if isinstance(node, ast.Import):
        for one in node.names:
            if (one.asname or one.name) not in names.ALIASES.get(one.name, ()):
                yield Complaint(node.lineno, f"'import {one.name}' is not allowed; `import numpy as np` is.")
        return
    allowed = names.IMPORTS.get(node.module or "", frozenset()) if not node.level else frozenset()
    for one in node.names:
        if one.name not in allowed or one.asname not in (None, one.name):
            yield Complaint(node.lineno, f"'{one.name}' cannot be imported; NumPy is there as np.")


def _of_attribute(node: ast.Attribute) -> Iterator[Complaint]:
    if not isinstance(node.ctx, ast.Load):
        yield Complaint(node.lineno, "an attribute cannot be set.")
    owner = node.value
    module = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
    if module in names.OF_MODULES and (isinstance(owner, ast.Name) or module == "linalg"):
        if node.attr not in names.OF_MODULES[module]:
            yield Complaint(node.lineno, f"'{module}.{node.attr}' is not among what may be used of {module}.")
    elif node.attr not in names.METHODS:
        yield Complaint(node.lineno, f"'.{node.attr}' is not among the attributes that may be used.")


def _of_constant(value: object, line: int) -> Iterator[Complaint]:
    if isinstance(value, int | float) and abs(value) > MAX_NUMBER and value == value and abs(value) != float("inf"):
        yield Complaint(line, f"numbers above {MAX_NUMBER:.0e} are not allowed.")
    if isinstance(value, bytes | complex):
        yield Complaint(line, f"a {type(value).__name__} constant is not allowed.")


def _small(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=int() | float() as value):
            return abs(value) <= MAX_EXPONENT
        case ast.UnaryOp(operand=operand):
            return _small(operand)
        case ast.BinOp(op=ast.Pow()):
            return False
    return True


def _word(node: ast.AST) -> str:
    words = {"With": "with", "Try": "try", "TryStar": "try", "ClassDef": "class", "While": "while (use for over a range)",
             "Global": "global", "Nonlocal": "nonlocal", "Delete": "del", "NamedExpr": ":=", "Match": "match",
             "AsyncFunctionDef": "async", "Await": "await", "Yield": "yield", "YieldFrom": "yield"}  # fmt: skip
    return f"`{words.get(type(node).__name__, type(node).__name__.lower())}`"
