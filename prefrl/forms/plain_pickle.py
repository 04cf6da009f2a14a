"""Bytes of a pickle in, the plain list or numeric array it describes out. Nothing is unpickled: no code of the file runs.

A pickle is a program for a stack machine. This reads it symbol by symbol (`pickletools`) and knows numbers, strings,
lists, tuples and the three names by which NumPy describes an array; whatever else stands there is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_ARRAY = {
    ("numpy.core.multiarray", "_reconstruct"): "array", ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy", "ndarray"): "type", ("numpy", "dtype"): "dtype", ("_codecs", "encode"): "bytes",
}  # fmt: skip
_MARK = object()


class NotPlainError(ValueError):
    """The pickle describes something else than numbers in lists and arrays."""


@dataclass(slots=True)
class _Described:
    """Something of NumPy's that is being put together: an array, its data type, or a name."""

    what: str
    parts: list[Any] = field(default_factory=list)


def plain(data: bytes) -> list[Any]:
    """The list, or the array as a list. Raises `NotPlainError` for anything else, and for damaged files."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                break
            _step(opcode.name, argument, stack, memo)
        (value,) = stack
        found = _list_of(value) if isinstance(value, _Described) else value
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise NotPlainError(str(error)) from error
    if not isinstance(found, list):
        raise NotPlainError(f"it holds {type(found).__name__}")
    return found


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    if name in _IGNORED:
        return
    if name in _CONSTANTS:
        stack.append(_CONSTANTS[name]())
    elif name.startswith(_VALUES):
        stack.append(argument)
    elif name in _MEMO_SET:
        memo[len(memo) if argument is None else argument] = stack[-1]
    elif name in _MEMO_GET:
        stack.append(memo[argument])
    elif name in _BUILD:
        _BUILD[name](stack, argument)
    else:
        raise NotPlainError(f"it does {name}, which data has no need of")


_IGNORED = {"PROTO", "FRAME"}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "MARK": lambda: _MARK, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "NONE": lambda: None, "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}  # fmt: skip
_VALUES = (
    "INT",
    "BININT",
    "LONG",
    "FLOAT",
    "BINFLOAT",
    "UNICODE",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINBYTES",
    "SHORT_BINBYTES",
)
_MEMO_SET = {"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"}
_MEMO_GET = {"GET", "BINGET", "LONG_BINGET"}


def _after_mark(stack: list[Any]) -> list[Any]:
    marks = [i for i, one in enumerate(stack) if one is _MARK]
    if not marks:
        raise NotPlainError("it ends what never began")
    at = marks[-1]
    values = stack[at + 1 :]
    del stack[at:]
    return values


def _pop(stack: list[Any], n: int) -> list[Any]:
    if len(stack) < n:
        raise NotPlainError("it ends early")
    values = stack[len(stack) - n :]
    del stack[len(stack) - n :]
    return values


def _global(stack: list[Any], argument: Any) -> None:
    name = tuple(argument.split(" ", 1)) if argument is not None else tuple(_pop(stack, 2))
    if name not in _ARRAY:
        raise NotPlainError(f"it names {'.'.join(map(str, name))}")
    stack.append(_Described(_ARRAY[name]))


def _reduce(stack: list[Any], _: Any) -> None:
    called, arguments = _pop(stack, 2)
    if called.what == "bytes":  # how protocol 2 spells bytes
        text, encoding = arguments
        if encoding != "latin1":
            raise NotPlainError(f"it encodes by {encoding}")
        stack.append(text.encode("latin1"))
    else:
        stack.append(_Described(called.what, [arguments]))


def _set_state(stack: list[Any], _: Any) -> None:
    described, state = _pop(stack, 2)
    if not isinstance(described, _Described):
        raise NotPlainError("it sets the state of something")
    described.parts.append(state)
    stack.append(described)


def _append(stack: list[Any], _: Any) -> None:
    (value,) = _pop(stack, 1)
    stack[-1].append(value)


def _appends(stack: list[Any], _: Any) -> None:
    values = _after_mark(stack)
    stack[-1].extend(values)


_BUILD: dict[str, Callable[[list[Any], Any], None]] = {
    "APPEND": _append,
    "APPENDS": _appends,
    "LIST": lambda stack, _: stack.append(_after_mark(stack)),
    "TUPLE": lambda stack, _: stack.append(tuple(_after_mark(stack))),
    "TUPLE1": lambda stack, _: stack.append(tuple(_pop(stack, 1))),
    "TUPLE2": lambda stack, _: stack.append(tuple(_pop(stack, 2))),
    "TUPLE3": lambda stack, _: stack.append(tuple(_pop(stack, 3))),
    "GLOBAL": _global,
    "STACK_GLOBAL": _global,
    "REDUCE": _reduce,
    "BUILD": _set_state,
}


def _list_of(described: _Described) -> list[Any]:
    """An array's numbers as nested lists."""
    if described.what != "array":
        raise NotPlainError(f"it holds {described.what}")
    _, shape, dtype, fortran, data = described.parts[-1]
    if not isinstance(dtype, _Described) or dtype.what != "dtype" or not isinstance(data, bytes):
        raise NotPlainError("its array holds objects")
    code, order = dtype.parts[0][0], dtype.parts[1][1] if len(dtype.parts) > 1 else "="
    kind = np.dtype(f"{'<' if order not in ('<', '>') else order}{code}")
    if kind.kind not in "iuf":
        raise NotPlainError(f"its array holds {kind}")
    array = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
    found: list[Any] = array.tolist()
    return found
