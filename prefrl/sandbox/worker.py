"""A program's text and batches of numbers in, one number per row out; run alone, in a process of its own, by `box`.

Started as ``python worker.py`` with nothing but the standard library and NumPy in reach. It reads one JSON line that says
what to run, locks the door behind itself, and then answers batches until its input ends. Whatever it answers is checked
again by the host: once a program has run here, nothing that this process says is trusted.

Shared memory: `inputs` (mapped read-only) holds each input's (rows, width) float64 block; `outputs` holds a text of TEXT
bytes, then (1 + COMPONENTS) blocks of (rows,) float64. A request is two uint32 (number, rows), a reply two uint32
(number, state).
"""

from __future__ import annotations

import builtins
import ctypes
import json
import math
import mmap
import os
import resource
import struct
import sys
import traceback
from types import CodeType
from typing import Any

REQUEST = struct.Struct("<II")
READY, DONE, FAILED = 1, 2, 3  # states of a reply
TEXT = 8192  # bytes: names of components as JSON, or what went wrong
COMPONENTS = 16
FILE = "<program>"  # the program's name in tracebacks
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_IMPORTS = ("numpy", "math", "typing", "collections.abc", "__future__")


class Fault(Exception):
    """What is wrong with what the program returned."""


def main() -> None:
    """Never returns normally while the host lives."""
    job = json.loads(sys.stdin.buffer.readline())
    sys.path[:0] = job["path"]
    import numpy as np

    warm(np)
    program = Program(job, np)
    lock(job)
    program.serve()


def warm(np: Any) -> None:
    """Use once what NumPy imports, or allocates, at its first use: later nothing can be opened."""
    array = np.ones((2, 2))
    for method in ("mean", "sum", "std", "var", "any", "all", "min", "max", "prod", "ptp", "clip", "cumsum", "argmin"):
        getattr(np, method)(array, 0, 1) if method == "clip" else getattr(np, method)(array)
    for given in (
        array.mean(axis=0),
        array.clip(0, 1),
        array @ array,
        np.linalg.norm(array, axis=-1),
        np.median(array),
    ):
        str(given)
    np.linalg.inv(np.eye(2) * 2)
    np.einsum("ij,ij->i", array, array)
    np.nan_to_num(array)
    np.array([None]) == array  # noqa: B015 - object comparisons load their own tables
    json.dumps(json.loads('["é", 1.5]'))
    try:
        np.ones(1 << 50)
    except MemoryError as error:
        described(error)


def lock(job: dict[str, Any]) -> None:
    """Give up, for good, what a reward does not need; limits cannot be raised again."""
    for name, value in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    if job["filter"]:
        code = bytes.fromhex(job["filter"])
        held = ctypes.create_string_buffer(code, len(code))
        program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held))
        libc = ctypes.CDLL(None, use_errno=True)
        for call in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0)):
            if libc.prctl(*call) != 0:
                raise OSError(ctypes.get_errno(), "prctl refused")


class Program:
    """The compiled text, and the memory it is fed from."""

    def __init__(self, job: dict[str, Any], np: Any) -> None:
        self._np, self._entry, self._rows = np, job["entry"], job["rows"]
        self._code: CodeType = compile(job["source"], FILE, "exec", dont_inherit=True)
        self._builtins = vars(builtins) if job["full"] else _few_builtins()
        inputs = mmap.mmap(job["inputs"], 0, mmap.MAP_SHARED, mmap.PROT_READ)
        self._out = mmap.mmap(job["outputs"], 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._blocks: dict[str, Any] = {}
        offset = 0
        for name, shape in job["shapes"].items():
            self._blocks[name] = np.frombuffer(inputs, np.float64, self._rows * math.prod(shape), offset).reshape(
                self._rows, *shape
            )
            offset += 8 * self._rows * math.prod(shape)
        self._values = np.frombuffer(self._out, np.float64, (1 + COMPONENTS) * self._rows, TEXT).reshape(-1, self._rows)
        self._names: list[str] | None = None  # of the components said last

    def serve(self) -> None:
        """Answer until the host closes its end."""
        os.write(1, REQUEST.pack(0, READY))
        while len(request := os.read(0, REQUEST.size)) == REQUEST.size:
            number, rows = REQUEST.unpack(request)
            os.write(1, REQUEST.pack(number, self._answered(rows)))

    def _answered(self, rows: int) -> int:
        try:
            total, components = self._run(rows)
            self._values[0, :rows] = total
            for place, values in enumerate(components.values(), start=1):
                self._values[place, :rows] = values
            self._check_finite(rows, ["the reward", *(f"component '{name}'" for name in components)])
        except BaseException as error:  # noqa: BLE001 - whatever a program raises is its answer
            self._say(json.dumps(described(error)))
            self._names = None
            return FAILED
        if self._names != list(components):
            self._names = list(components)
            self._say(json.dumps(self._names))
        return DONE

    def _run(self, rows: int) -> tuple[Any, dict[str, Any]]:
        """(rows,) reward and components; the text is executed anew each time, so that nothing is remembered."""
        names: dict[str, Any] = {"__name__": "program", "np": self._np, "numpy": self._np, "math": math}
        names["__builtins__"] = self._builtins
        exec(self._code, names)  # noqa: S102 - this is what the process is for
        given: dict[str, Any] = {"factors": {}}
        for name, block in self._blocks.items():
            group, dot, factor = name.partition(".")
            if dot:
                given[group][factor] = block[:rows]
            else:
                given[name] = block[:rows]
        return self._sound(names[self._entry](*given_in_order(given)), rows)

    def _sound(self, returned: Any, rows: int) -> tuple[Any, dict[str, Any]]:
        """What the program returned as numbers of the right shape."""
        if not (isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], dict)):
            raise Fault(f"return (reward, components), an array and a dict of arrays, not {type(returned).__name__}.")
        total, components = returned
        if len(components) > COMPONENTS:
            raise Fault(f"{len(components)} components are too many; at most {COMPONENTS}.")
        if not all(isinstance(name, str) and name.isidentifier() and len(name) <= 40 for name in components):
            raise Fault("name components by identifiers of at most 40 characters.")
        return self._rows_of(total, rows, "the reward"), {
            name: self._rows_of(values, rows, f"component '{name}'") for name, values in components.items()
        }

    def _rows_of(self, values: Any, rows: int, what: str) -> Any:
        np = self._np
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise Fault(f"{what} holds {array.dtype}; real numbers are wanted.")
        if array.shape == () and what != "the reward":
            array = np.full(rows, array)  # a constant component is no mistake
        if array.shape != (rows,):
            raise Fault(
                f"{what} has shape {array.shape} for a batch of {rows} rows; it must be ({rows},), one number per row."
            )
        return array

    def _check_finite(self, rows: int, what: list[str]) -> None:
        """NaN and infinity are raised where they arise, if a second run with NumPy's own checks on finds the line."""
        np = self._np
        finite = np.isfinite(self._values[: len(what), :rows])
        if finite.all():
            return
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            self._run(rows)
        place = int(np.argmin(finite.all(1)))
        wrong = np.flatnonzero(~finite[place])
        raise Fault(f"{what[place]} is {self._values[place, wrong[0]]} in {len(wrong)} of {rows} rows.")

    def _say(self, text: str) -> None:
        said = text.encode("ascii", "replace")[: TEXT - 4]
        self._out[: 4 + len(said)] = len(said).to_bytes(4, "little") + said


def given_in_order(given: dict[str, Any]) -> list[Any]:
    """Arguments of a program: what is declared, in that order, factors last."""
    return [value for name, value in given.items() if name != "factors"] + [given["factors"]]


def described(error: BaseException) -> dict[str, Any]:
    """{"line": in the program or 0, "error": one line}."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    if isinstance(error, SyntaxError) and error.filename == FILE:
        lines.append(error.lineno)
    words = str(error) if isinstance(error, Fault) else f"{type(error).__name__}: {error}"
    return {"line": lines[-1] if lines and lines[-1] else 0, "error": words[:1000]}


def _few_builtins() -> dict[str, Any]:
    """The few names that `prefrl.sandbox.names` allows, and an import that knows a handful of modules."""
    allowed = ("abs", "all", "any", "bool", "dict", "enumerate", "float", "int", "isinstance", "len", "list", "map", "max",
               "min", "pow", "range", "reversed", "round", "set", "sorted", "str", "sum", "tuple", "zip",
               "ValueError", "AssertionError", "True", "False", "None")  # fmt: skip
    return {**{name: getattr(builtins, name) for name in allowed if hasattr(builtins, name)}, "__import__": _import}


def _import(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    own = name.startswith("numpy.") and name in sys.modules  # NumPy's own imports look here too
    if not (name in _IMPORTS or own) or level:
        raise ImportError(f"'{name}' cannot be imported here; NumPy is there as np")
    __import__(name)
    return sys.modules[name] if fromlist else sys.modules[name.partition(".")[0]]


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:  # noqa: BLE001 - said to the host, which waits for READY
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(1)
