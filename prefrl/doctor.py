"""The machine comes in; findings go out: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from prefrl import doors, probe
from prefrl.errors import EnvironmentMissing
from prefrl.rendering import gl_backend
from prefrl.sandbox import obstacle
from prefrl.sandbox.tiers import TIERS

PACKAGES = ("prefrl", "torch", "stable-baselines3", "gymnasium", "mujoco", "numpy", "pydantic", "sqlalchemy")
LITTLE_DISK = 2.0  # GB; a run with clips and checkpoints needs a few hundred MB


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `missing` is needed and absent, `warning` works but is worth knowing."""

    name: str
    status: Literal["ok", "warning", "missing"]
    detail: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.status:8} {self.name}: {self.detail}" + (f" {self.cure}" if self.cure else "")


def examine(plugins_dir: Path | None = None) -> list[Finding]:
    """Look at everything a run needs; takes seconds, since it imports torch and tries to draw."""
    return [
        Finding("system", "ok", f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"),
        *_packages(),
        *_torch(),
        _drawing(),
        _ffmpeg(),
        _sandbox(),
        _disk(Path.cwd()),
        *_plugins(plugins_dir),
    ]


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, "missing", "not installed.", "Run make setup, or pip install prefrl.")


def _torch() -> Iterator[Finding]:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        yield Finding(
            "torch build", "missing", f"cannot be imported ({error}).", "Install torch again: make clean setup."
        )
        return
    cuda = torch.version.cuda
    size = _gigabytes_installed()
    if cuda is None:
        yield Finding(
            "torch build", "ok", f"CPU, {size:.1f} GB.", "The CUDA build takes several GB more and needs an NVIDIA GPU."
        )
    else:
        choice = "For the CPU build, much smaller: make clean setup TORCH_INDEX=<PyTorch's index of CPU wheels>."
        yield Finding("torch build", "ok", f"CUDA {cuda}, {size:.1f} GB.", choice)
    if torch.cuda.is_available():
        where = "run.device: auto puts reward models there and leaves policies on the CPU, where PPO's small ones are faster."
        yield Finding("GPU", "ok", f"{torch.cuda.get_device_name(0)}.", where)
    elif shutil.which("nvidia-smi"):
        cure = "Install the CUDA build of torch, or update the driver." if cuda is None else "Update the NVIDIA driver."
        yield Finding("GPU", "warning", "there is one, which torch cannot use.", cure)
    else:
        yield Finding("GPU", "ok", "none; small networks such as PPO's are as fast on the CPU.")


def _gigabytes_installed() -> float:
    """Of torch and the packages of NVIDIA that its CUDA build brings."""
    names = {dist.name for dist in metadata.distributions() if dist.name.startswith(("nvidia-", "triton"))} | {"torch"}
    files = (file for name in names for file in metadata.files(name) or ())
    return sum(file.size or 0 for file in files) / 1e9


def _drawing() -> Finding:
    try:
        return Finding("drawing", "ok", f"MuJoCo draws with {gl_backend()}.")
    except EnvironmentMissing as error:
        return Finding("drawing", "missing", str(error))


def _ffmpeg() -> Finding:
    try:
        program = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
        done = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=30)
    except (ImportError, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        cure = "Install imageio-ffmpeg again, or set IMAGEIO_FFMPEG_EXE to an ffmpeg of your own."
        return Finding("ffmpeg", "missing", f"clips cannot be encoded ({error}).", cure)
    return Finding("ffmpeg", "ok", " ".join(done.stdout.split()[:3]))


def _sandbox() -> Finding:
    """The safest way in which programs of others can be run here; a warning, since most runs need none."""
    reasons = {tier: obstacle(tier) for tier in TIERS}
    best = next((tier for tier in TIERS if not reasons[tier]), None)
    if best == "strict":
        return Finding("sandbox", "ok", "strict: namespaces, system call filter and limits around programs of others.")
    detail = "programs of others cannot be run" if best is None else f"the best tier for programs of others is '{best}'"
    return Finding("sandbox", "warning", f"{detail}: {reasons['strict']}")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / 1e9
    if free < LITTLE_DISK:
        return Finding("disk", "warning", f"{free:.1f} GB free here.", "Free some, or give another folder with --run.")
    return Finding("disk", "ok", f"{free:.0f} GB free here")


def _plugins(plugins_dir: Path | None) -> Iterator[Finding]:
    for record, _ in probe.probe_all(doors.every(plugins_dir)):
        if record.status == "active":
            yield Finding(f"plugin {record.name}", "ok", str(record))
        else:
            status: Literal["warning", "missing"] = "missing" if record.name == doors.BUILT_IN else "warning"
            yield Finding(
                f"plugin {record.name}", status, f"{record}: {record.status}: {record.error}.", "Mend or uninstall it."
            )
    if (wanted := os.environ.get(doors.BLOCKING)) is not None:
        yield Finding(doors.BLOCKING, "warning", f"is set to '{wanted}', so only those plugins are loaded.")
