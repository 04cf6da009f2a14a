"""One program's text in, its rewards for batches of steps out: a worker is started, fed, timed, checked and killed here."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import mmap
import os
import select
import subprocess
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np

from prefrl.errors import EnvironmentMissing
from prefrl.sandbox import seccomp, tiers, worker
from prefrl.sandbox.held import Held
from prefrl.sandbox.language import complaints
from prefrl.sandbox.tiers import Tier
from prefrl.types import Array

LARGEST = 1e6  # |reward| and |component| of a step
_SEALS = 0x0002 | 0x0004  # F_SEAL_SHRINK | F_SEAL_GROW: no truncation under the host's feet
_SEAL_FUTURE_WRITE = 0x0010  # nobody maps it writable any more; fcntl names it from Python 3.13 on


class ProgramFault(Exception):
    """What is wrong with a program, for whoever wrote it. `line` is 0 where no line can be named.

    `kind` is one of refused (by the positive list or the compiler), raised (or of a wrong shape, or not finite), result
    (too large), state (not a function of one step), deadline, died (of a limit or the filter) and forged (it answered
    what was not asked).
    """

    def __init__(self, kind: str, what: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {what}" if line else what)
        self.kind, self.what, self.line = kind, what, line


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one worker."""

    seconds: float = 2.0  # wall clock per batch
    start: float = 120.0  # wall clock to import NumPy, on a busy machine
    memory: int = 1 << 30  # bytes of address space
    rows: int = 4096  # per batch; longer ones are cut


@dataclass(frozen=True, slots=True)
class Rewards:
    """Of B rows: `reward` (B,) float64 and each component (B,), finite and within +-LARGEST."""

    reward: Array
    components: Mapping[str, Array] = field(default_factory=dict)


class Box:
    """One worker for one program; never used for another.

    `shapes` names the inputs in the order of the function's arguments, each with the shape of one row; those called
    "factors.<name>" arrive as one dict. Raises `EnvironmentMissing` if `tier` cannot be had, `ProgramFault` if the program
    cannot be run. `checked=False` leaves the positive list out and gives all builtins: the tier alone confines it.
    """

    def __init__(
        self,
        text: str,
        shapes: Mapping[str, tuple[int, ...]],
        *,
        entry: str = "reward",
        tier: Tier = "strict",
        limits: Limits | None = None,
        checked: bool = True,
    ) -> None:
        self._limits, self._shapes, self._tier = limits or Limits(), dict(shapes), tier
        self._sent = 0
        self._held = Held()
        self._end = weakref.finalize(self, self._held.end)  # also for a box that is forgotten, or at the program's end
        self._blocks: dict[str, Array] = {}
        self._values: Array = np.empty((0, 0))
        self._last: tuple[bytes, tuple[str, ...]] = b"", ()  # names of components as said, and as read
        tiers.require(tier)
        if checked and (found := complaints(text, entry, self._arguments())):
            raise ProgramFault("refused", " ".join(map(str, found[:5])))
        try:
            self._start(text, entry, full=not checked)
        except BaseException:
            self.close()
            raise

    def _arguments(self) -> list[str]:
        """Of the function: the inputs in their order, all factors as one dict at the end."""
        return [*(name for name in self._shapes if "." not in name), "factors"]

    def _start(self, text: str, entry: str, *, full: bool) -> None:
        limits, rows = self._limits, self._limits.rows
        width = sum(math.prod(shape) for shape in self._shapes.values())
        inputs, self._in = self._shared("inputs", 8 * rows * max(1, width), writable=False)
        outputs, self._out = self._shared("outputs", worker.TEXT + 8 * rows * (1 + worker.COMPONENTS), writable=True)
        self._values = np.frombuffer(self._out, np.float64, offset=worker.TEXT).reshape(-1, rows)
        self._blocks = self._viewed(rows)
        job = {
            "source": text, "entry": entry, "full": full, "rows": rows, "shapes": self._shapes, "inputs": inputs,
            "outputs": outputs, "path": tiers.search_path(self._tier),
            "limits": {"RLIMIT_AS": limits.memory, "RLIMIT_NPROC": 0, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0,
                       "RLIMIT_NOFILE": 16, "RLIMIT_MEMLOCK": 0},
            "filter": "" if self._tier == "trust" else seccomp.filter_program().hex(),
        }  # fmt: skip
        self._spawn(inputs, outputs)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._waiting = select.poll()
        self._waiting.register(self._process.stdout.fileno(), select.POLLIN)
        with contextlib.suppress(BrokenPipeError):  # what ended it is read in its stead
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        state = self._reply(0, limits.start)
        if state != worker.READY:
            raise self._killed("forged", "it answered before it was asked.")

    def _shared(self, name: str, size: int, *, writable: bool) -> tuple[int, mmap.mmap]:
        """A descriptor for the worker and the host's own view; neither can be resized, inputs are mapped to read alone."""
        descriptor = os.memfd_create(f"prefrl-{os.getpid()}-{name}", os.MFD_ALLOW_SEALING)
        self._held.descriptors.append(descriptor)
        os.ftruncate(descriptor, size)
        view = mmap.mmap(descriptor, size)
        self._held.views.append(view)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS | (0 if writable else _SEAL_FUTURE_WRITE))
        return descriptor, view

    def _viewed(self, rows: int) -> dict[str, Array]:
        """(rows, *shape) view of each input's block."""
        blocks, offset = {}, 0
        for name, shape in self._shapes.items():
            count = rows * math.prod(shape)
            blocks[name] = np.frombuffer(self._in, np.float64, count, offset).reshape(rows, *shape)
            offset += 8 * count
        return blocks

    def _spawn(self, inputs: int, outputs: int) -> None:
        """Start a worker, and take hold of the whole set of its processes."""
        read, write = os.pipe()
        try:
            process = subprocess.Popen(
                tiers.command(self._tier, write),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                pass_fds=(inputs, outputs, write), env={"OPENBLAS_NUM_THREADS": "1", "PATH": os.defpath}, cwd="/",
            )  # fmt: skip
            os.close(write)
            write = -1
            self._held.process = process
            number = process.pid
            if self._tier == "strict":
                said = b"".join(iter(lambda: os.read(read, 4096), b""))
                if not said:
                    raise EnvironmentMissing(f"the sandbox did not start: {self._last_words()}.")
                number = json.loads(said)["child-pid"]
            with contextlib.suppress(ProcessLookupError):  # gone already; its reply will not come
                self._held.init = os.pidfd_open(number)
        finally:
            os.close(read)
            if write >= 0:
                os.close(write)

    def __call__(self, given: Mapping[str, Array]) -> Rewards:
        """Rewards of B steps; `given` holds an array (B, *shape) for each of `shapes`."""
        total = len(next(iter(given.values())))
        parts = [self._part(given, first, min(total, first + self._limits.rows))
                 for first in range(0, total, self._limits.rows)]  # fmt: skip
        if len(parts) == 1:
            return parts[0]
        names = dict.fromkeys(name for part in parts for name in part.components)
        return Rewards(
            np.concatenate([part.reward for part in parts]),
            {
                name: np.concatenate([part.components.get(name, np.zeros(len(part.reward))) for part in parts])
                for name in names
            },
        )

    def _part(self, given: Mapping[str, Array], first: int, end: int) -> Rewards:
        assert self._process.stdin is not None
        count = end - first
        for name in self._blocks:
            self._blocks[name][:count] = given[name][first:end]
        self._sent = (self._sent + 1) % 2**32
        try:
            self._process.stdin.write(worker.REQUEST.pack(self._sent, count))
        except BrokenPipeError:
            raise self._ended() from None
        state = self._reply(self._sent, self._limits.seconds)
        if state == worker.FAILED:
            raise self._told()
        if state != worker.DONE:
            raise self._killed("forged", "it answered with what no worker says.")
        return self._checked(count)

    def _reply(self, number: int, seconds: float) -> int:
        """The state of the reply to request `number`, within `seconds`."""
        assert self._process.stdout is not None
        descriptor, end, said = self._process.stdout.fileno(), time.monotonic() + seconds, b""
        while len(said) < worker.REQUEST.size:
            if not self._waiting.poll(max(0.0, end - time.monotonic()) * 1000):
                raise self._killed("deadline", f"it took more than {seconds:g} s.")
            fresh = os.read(descriptor, worker.REQUEST.size + 1 - len(said))
            if not fresh:
                raise self._ended()
            said += fresh
        answered, state = worker.REQUEST.unpack(said[: worker.REQUEST.size])
        if len(said) > worker.REQUEST.size or answered != number:
            raise self._killed("forged", "it answered what it was not asked.")
        return int(state)

    def _checked(self, count: int) -> Rewards:
        """A copy of what the worker wrote, checked after copying, since it may go on writing."""
        names = self._components()
        values = self._values[: 1 + len(names), :count].copy()
        if not float(np.abs(values).max(initial=0.0)) <= LARGEST:  # NaN is not, either
            place, row = np.argwhere(~(np.abs(values) <= LARGEST))[0]
            what = ("the reward", *names)[place]
            raise ProgramFault("result", f"{what} is {values[place, row]:g}; at most {LARGEST:g} either way.")
        return Rewards(values[0], dict(zip(names, values[1:], strict=True)))

    def _components(self) -> tuple[str, ...]:
        """Names of the components, which hardly ever change."""
        text = self._text()
        if text != self._last[0]:
            said = parsed(text)
            if not (isinstance(said, list) and len(said) <= worker.COMPONENTS and all(map(_is_name, said))):
                raise self._killed("forged", "it wrote names of components that no worker writes.")
            self._last = text, tuple(said)
        return self._last[1]

    def _text(self) -> bytes:
        length = int.from_bytes(self._out[:4], "little")
        return self._out[4 : 4 + min(length, worker.TEXT - 4)]

    def _told(self) -> ProgramFault:
        said = parsed(self._text())
        if (
            not isinstance(said, dict)
            or not isinstance(said.get("line"), int)
            or not isinstance(said.get("error"), str)
        ):
            return self._killed("forged", "an error that no worker writes.")
        return ProgramFault("raised", printable(said["error"]), said["line"] if 0 < said["line"] < 10**6 else 0)

    def _ended(self) -> ProgramFault:
        """The worker closed its end: died while starting, or under the program."""
        words = self._last_words()
        if self._sent == 0:
            if words:
                return self._killed("refused", f"it cannot be compiled: {words}.")
            return self._killed("died", "the worker ended before it began.")
        return self._killed("died", "the worker was killed by a limit, or by what it tried to do.")

    def _last_words(self) -> str:
        assert self._process.stderr is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        os.set_blocking(self._process.stderr.fileno(), False)
        said = (self._process.stderr.read(4096) or b"").decode(errors="replace").strip().splitlines()
        return printable(said[-1]) if said else ""

    def _killed(self, kind: str, what: str) -> ProgramFault:
        self.close()
        return ProgramFault(kind, what)

    def close(self) -> None:
        """Kill the worker and everything it may have started; returns when they are gone."""
        self._blocks, self._values = {}, np.empty((0, 0))  # which hold the memory open
        self._end()

    @property
    def _process(self) -> subprocess.Popen[bytes]:
        assert self._held.process is not None, "the box is closed"
        return self._held.process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def parsed(text: bytes) -> Any:
    """JSON of a stranger's; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isidentifier() and len(value) <= 40


def printable(text: str) -> str:
    """One line of at most 2 kB without control characters: errors of a program go on to people and language models."""
    return "".join(character if character.isprintable() else " " for character in text)[:2000]
