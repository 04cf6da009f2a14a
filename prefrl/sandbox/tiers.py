"""The machine in; how safely a worker can be run here, and the command that starts one, out.

    strict   namespaces by bubblewrap (no file but Python and NumPy, no network, no other process), seccomp, rlimits
    seccomp  seccomp and rlimits alone, for containers that forbid user namespaces
    trust    rlimits alone, against accidents: for programs you would run yourself

The deadline, the check of what comes back and the positive list of syntax hold in all of them.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from prefrl.errors import EnvironmentMissing
from prefrl.sandbox import seccomp

Tier = Literal["strict", "seccomp", "trust"]
TIERS: tuple[Tier, ...] = ("strict", "seccomp", "trust")
WORKER = Path(__file__).with_name("worker.py")
INSIDE = "/box"  # where the worker and NumPy lie within the namespaces
_NOBODY = "65534"
_SECONDS = 60  # for a trial start on a busy machine
_PYTHON = ("-I", "-S", "-B", "-X", "frozen_modules=on")
_CURES = (
    "Allow unprivileged user namespaces (on Ubuntu an AppArmor profile for bwrap, in Docker "
    "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined`), or say `sandbox: seccomp` to do without them."
)


def require(tier: Tier) -> None:
    """Raise `EnvironmentMissing`, with the cure, unless workers of `tier` can be run here."""
    reason = obstacle(tier)
    if reason:
        raise EnvironmentMissing(reason)


@functools.cache
def obstacle(tier: Tier) -> str:
    """Why `tier` cannot be had here, as a sentence with its cure; empty if it can."""
    if not sys.platform.startswith("linux"):
        return (
            f"programs cannot be confined on {sys.platform}; run prefrl on Linux, in a virtual machine or a container."
        )
    if tier == "trust":
        return ""
    try:
        seccomp.filter_program()
    except EnvironmentMissing as error:
        return str(error)
    return _namespace_obstacle() if tier == "strict" else ""


def _namespace_obstacle() -> str:
    if shutil.which("bwrap") is None:
        return "the sandbox needs bubblewrap, which is not here; `apt install bubblewrap` on Debian brings it."
    try:
        tried = subprocess.run(
            [*_namespaces(), *_python(), "-c", "print(7)"], capture_output=True, text=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"the sandbox cannot be used: bubblewrap did not answer within {_SECONDS} s. {_CURES}"
    if tried.stdout.strip() == "7":
        return ""
    said = tried.stderr.strip().splitlines()
    return f"the sandbox cannot be used: bubblewrap failed ({said[-1] if said else tried.returncode}). {_CURES}"


def command(tier: Tier, info: int) -> list[str]:
    """What starts a worker; in namespaces bubblewrap writes the process's number to descriptor `info`."""
    if tier != "strict":
        return [*_python(), str(WORKER)]
    return [*_namespaces(), "--info-fd", str(info), *_python(), f"{INSIDE}/worker.py"]


def search_path(tier: Tier) -> list[str]:
    """Where a worker finds NumPy."""
    return [INSIDE] if tier == "strict" else [str(_numpy().parent)]


def _python() -> list[str]:
    return [str(_executable()), *_PYTHON]


def _executable() -> Path:
    """The interpreter itself, not a virtual environment's link to it."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def _numpy() -> Path:
    return Path(np.__file__).parent


@functools.cache
def _namespaces() -> tuple[str, ...]:
    """Everything unshared, nothing to write to, and Python and NumPy alone to read."""
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL",
             "--uid", _NOBODY, "--gid", _NOBODY, "--setenv", "OPENBLAS_NUM_THREADS", "1"]  # fmt: skip
    for source, target in _readable():
        words += ["--ro-bind", str(source), str(target)]
    library = Path(sysconfig.get_path("stdlib")).resolve()
    for name in ("site-packages", "dist-packages"):
        if (library / name).is_dir():
            words += ["--tmpfs", str(library / name)]
    for link in ("/lib", "/lib64"):
        if Path(link).is_symlink():
            words += ["--symlink", os.readlink(link), link]  # noqa: PTH115 - as it is written, not where it leads
    return (*words, "--remount-ro", "/", "--chdir", "/")


def _readable() -> Iterator[tuple[Path, Path]]:
    """(here, there) of what is bound read-only."""
    library, executable = Path(sysconfig.get_path("stdlib")).resolve(), _executable()
    for folder in (Path("/usr/lib"), Path("/usr/lib64"), Path("/lib"), Path("/lib64")):
        if folder.is_dir() and not folder.is_symlink():
            yield folder, folder
    if not library.is_relative_to("/usr/lib"):
        yield library, library
        for shared in sorted(library.parent.glob("*.so*")):
            yield shared, shared
    yield executable, executable
    numpy = _numpy()
    yield numpy, Path(INSIDE, "numpy")
    if (libraries := numpy.with_name("numpy.libs")).is_dir():
        yield libraries, Path(INSIDE, "numpy.libs")
    yield WORKER, Path(INSIDE, "worker.py")
