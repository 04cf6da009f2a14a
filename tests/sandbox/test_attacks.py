"""What a program may try, under the positive list alone, under the operating system's confinement alone, and under both."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import socket
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from prefrl.sandbox import Box, Limits, ProgramFault, complaints
from prefrl.types import Array

ARGUMENTS = ("obs", "action", "next_obs", "factors")
SHAPES = {"obs": (5,), "action": (2,), "next_obs": (5,), "factors.speed": ()}
DEADLINE = 0.3


def _read(name: str) -> dict[str, str]:
    parts = (Path(__file__).parent / name).read_text(encoding="utf-8").split("### ")[1:]
    return {part.split("\n", 1)[0].strip(): part.split("\n", 1)[1] for part in parts}


ATTACKS = _read("attacks.txt")
# What the positive list cannot know of: amounts of memory and time, and returned nonsense. No file, no process, no socket.
NOT_STATIC = {
    "memory: np.ones", "memory: repeat", "memory: a string", "memory: slow growth", "time: a loop",
    "time: a power found out later", "stack: recursion", "tamper: inputs", "tamper: an error with control characters",
    "result: None", "result: a scalar", "result: wrong shape", "result: strings", "result: NaN", "result: infinity",
    "result: too many components", "result: a component's name",
}  # fmt: skip


@dataclass(frozen=True)
class Bait:
    """What must not be read, reached or changed."""

    folder: Path
    secret: str
    variable: str
    port: int
    abstract: str
    reached: list[str]

    def program(self, body: str) -> str:
        places = {"FILE": self.folder / "canary.txt", "DIR": self.folder, "VARIABLE": self.variable, "PORT": self.port,
                  "UNIX": self.folder / "socket", "ABSTRACT": self.abstract}  # fmt: skip
        text = re.sub("@([A-Z]+)@", lambda match: str(places[match[1]]), body)
        return f"def reward(obs, action, next_obs, factors):\n{textwrap.indent(text, '    ')}\n    return obs[:, 0], {{}}\n"

    def print(self) -> str:
        """Of the folder: names, modes and contents."""
        seen = [
            (path.name, path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in sorted(self.folder.iterdir())
        ]
        return hashlib.sha256(repr(seen).encode()).hexdigest()


@pytest.fixture(scope="module")
def bait(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bait]:
    folder = tmp_path_factory.mktemp("bait")
    secret = f"CANARY{secrets.token_hex(8)}"
    variable, abstract = f"PREFRL_CANARY_{secrets.token_hex(4)}", f"prefrl-{secrets.token_hex(8)}"
    (folder / "canary.txt").write_text(secret, encoding="utf-8")
    (folder / "canary_module.py").write_text(f"WORDS = {secret!r}", encoding="utf-8")
    reached: list[str] = []
    with contextlib.ExitStack() as open_sockets, pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable, secret)
        tcp = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = tcp.getsockname()[1]
        listeners = {"tcp": tcp}
        for name, family, kind, address in [
            ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)),
            ("unix", socket.AF_UNIX, socket.SOCK_STREAM, os.path.relpath(folder / "socket")),
            ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, f"\0{abstract}"),
        ]:
            listener = open_sockets.enter_context(socket.socket(family, kind))
            listener.bind(address)
            if kind == socket.SOCK_STREAM:
                listener.listen()
            listeners[name] = listener
        for name, listener in listeners.items():
            threading.Thread(target=_wait, args=(name, listener, reached), daemon=True).start()
        yield Bait(folder, secret, variable, port, abstract, reached)


def _wait(name: str, listener: socket.socket, reached: list[str]) -> None:
    with contextlib.suppress(OSError):  # closed at the end
        listener.recv(1) if name == "udp" else listener.accept()
        reached.append(name)


@pytest.fixture(scope="module")
def batch() -> Mapping[str, Array]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(64, *shape)) for name, shape in SHAPES.items()}


def outcome(text: str, batch: Mapping[str, Array], *, tier: str = "strict", checked: bool) -> tuple[str, str, float]:
    """(kind of fault or "answered", everything that came back, seconds from the first batch to the last process' end)."""
    box, begun = None, time.monotonic()
    try:
        box = Box(text, SHAPES, tier=tier, checked=checked, limits=Limits(seconds=DEADLINE))  # type: ignore[arg-type]
        begun = time.monotonic()
        said = [box(batch) for _ in range(2)]  # a flood may come after the first answer
        shown = "".join(f"{one.reward.tolist()}{bytes(one.reward.astype(int).clip(0, 255).astype(np.uint8))!r}{list(one.components)}" for one in said)  # fmt: skip
        return "answered", shown, time.monotonic() - begun
    except ProgramFault as fault:
        if box is not None:
            box.close()
        return fault.kind, str(fault), time.monotonic() - begun
    finally:
        if box is not None:
            box.close()


def workers_left() -> list[str]:
    """Processes that share memory with a box of this one."""
    mine = f"memfd:prefrl-{os.getpid()}-"
    left = []
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            if maps.parent.name != str(os.getpid()) and mine in maps.read_text():
                left.append(maps.parent.name)
    return left


def test_there_are_enough_attacks() -> None:
    assert len(ATTACKS) >= 90


@pytest.mark.parametrize("name", sorted(ATTACKS.keys() - NOT_STATIC))
def test_the_positive_list_alone_refuses_all_that_reaches_out(name: str, bait: Bait) -> None:
    found = complaints(bait.program(ATTACKS[name]), "reward", ARGUMENTS)
    assert found
    assert all(one.line for one in found if "brackets" not in one.what and "withitem" not in one.what), found


@pytest.mark.parametrize("name", sorted(NOT_STATIC))
def test_what_the_positive_list_lets_through_costs_memory_and_time_at_most(
    name: str, bait: Bait, batch: Mapping[str, Array]
) -> None:
    """In a worker without namespaces and filter: rlimits, the deadline and the host's check."""
    before = bait.print()
    kind, said, seconds = outcome(bait.program(ATTACKS[name]), batch, tier="trust", checked=True)
    assert kind in {"raised", "result", "deadline", "died"}
    assert seconds < DEADLINE + 0.5
    assert bait.secret not in said
    assert (bait.print(), bait.reached, workers_left()) == (before, [], [])


@pytest.mark.needs("sandbox")
@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_confined_by_the_operating_system_alone_nothing_is_read_reached_or_left(
    name: str, bait: Bait, batch: Mapping[str, Array]
) -> None:
    """No positive list, and every builtin and module of Python's."""
    before = bait.print()
    kind, said, seconds = outcome(bait.program(ATTACKS[name]), batch, checked=False)
    assert kind in {"answered", "refused", "raised", "result", "deadline", "died", "forged"}
    assert seconds < DEADLINE + 0.5
    assert bait.secret not in said
    assert "CANARY" not in said
    assert said.isprintable()
    assert (bait.print(), bait.reached, workers_left()) == (before, [], [])


@pytest.mark.needs("sandbox")
@pytest.mark.parametrize("name", sorted(NOT_STATIC))
def test_both_together(name: str, bait: Bait, batch: Mapping[str, Array]) -> None:
    """All others are refused before a worker starts: see the first test."""
    kind, said, seconds = outcome(bait.program(ATTACKS[name]), batch, checked=True)
    assert kind in {"raised", "result", "deadline", "died"}
    assert seconds < DEADLINE + 0.5
    assert (bait.secret in said, bait.reached, workers_left()) == (False, [], [])


@pytest.mark.needs("sandbox")
@pytest.mark.parametrize(
    "name", ["tamper: np.isfinite", "tamper: the worker's own functions", "write: its own worker", "forge: a reply",
             "tamper: resize the shared memory"]
)  # fmt: skip
def test_the_next_candidate_knows_nothing_of_the_last(name: str, bait: Bait, batch: Mapping[str, Array]) -> None:
    outcome(bait.program(ATTACKS[name]), batch, checked=False)
    with Box(bait.program("return next_obs[:, 1] * 2, {'x': obs[:, 0]}"), SHAPES) as box:
        rewards = box(batch)
    assert np.array_equal(rewards.reward, batch["next_obs"][:, 1] * 2)
    assert np.array_equal(rewards.components["x"], batch["obs"][:, 0])


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_bait_would_be_taken(bait: Bait, batch: Mapping[str, Array]) -> None:
    """The oracle of these tests sees it when a program does read: in this very process nothing confines it."""
    space: dict[str, object] = {"np": np}
    exec(bait.program(ATTACKS["read: open"]), space)
    with pytest.raises(ValueError, match=bait.secret):
        space["reward"](batch["obs"], None, None, {})  # type: ignore[operator]
    exec(bait.program(ATTACKS["read: environment of this process"]), space)
    with pytest.raises(ValueError, match=bait.secret):
        space["reward"](batch["obs"], None, None, {})  # type: ignore[operator]
