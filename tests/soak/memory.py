"""One process trains over and over: its memory must not grow and its open files must stay as many.

    python tests/soak/memory.py [--duration 40m] [--config tests/data/tiny_cheetah.yaml]

PPO and SAC take turns, each whole run in a folder that is removed. Samples are taken between runs, where the same things are
alive each time; those of the first quarter (10 minutes at most) are warm-up. A line is fitted to the means of 20 equal stretches
of time, since neighbouring samples are not independent. Judged is the anonymous part of the resident memory: pages of mapped
files come and go with what else the machine does. Exit code 1 if the slope is above 1 MB/h by more than two standard errors,
or if descriptors grow.
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from prefrl import config
from prefrl.plugins import PluginHost
from prefrl.procedures.run import Run

CONFIG = Path(__file__).parents[1] / "data" / "tiny_cheetah.yaml"
SAC = "algo={name: sac, n_timesteps: 768, buffer_size: 500, learning_starts: 100, batch_size: 32, gradient_steps: 64, train_freq: 64}"
LIMIT = 1.0  # MB/h
STRETCHES = 20
UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process holds between two runs."""

    seconds: float  # since the start
    anonymous: float  # MB
    resident: float  # MB
    files: int


def seconds(text: str) -> float:
    """``90s``, ``40m`` or ``8h``."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 90s, 40m or 8h")
    return float(match[1]) * UNITS[match[2]]


def sample(begun: float) -> Sample:
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    anonymous, resident = (int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) / 1000 for name in ("RssAnon", "VmRSS"))
    return Sample(time.monotonic() - begun, anonymous, resident, len(os.listdir("/proc/self/fd")))  # noqa: PTH208


def train(number: int, path: Path) -> None:
    """One whole run; every second one is SAC."""
    tree = config.read(path, [SAC] if number % 2 else [])
    host = PluginHost.from_environment(None, config.plugins_of(tree))
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):
        Run(config.resolve(tree, host), host, Path(folder) / "run", "soak").execute()


def slope(samples: Sequence[Sample]) -> tuple[float, float]:
    """MB per hour and its standard error, NaN for too few samples."""
    hours = np.array([one.seconds for one in samples]) / 3600
    memory = np.array([one.anonymous for one in samples])
    edges = np.linspace(hours[0], hours[-1], STRETCHES + 1)[1:-1]
    stretch = np.digitize(hours, edges)
    t, y = (np.array([values[stretch == i].mean() for i in np.unique(stretch)]) for values in (hours, memory))
    if len(t) < 3:
        return float("nan"), float("nan")
    centred = t - t.mean()
    rise = float(centred @ y / (centred @ centred))
    rest = y - y.mean() - rise * centred
    return rise, float(np.sqrt(rest @ rest / (len(t) - 2) / (centred @ centred)))


def verdict(samples: Sequence[Sample]) -> tuple[int, str]:
    """Exit code and what to print, of the samples after warm-up."""
    rise, error = slope(samples)
    if np.isnan(error):
        return 0, f"{len(samples)} samples are too short to tell anything: give a longer --duration"
    files = [one.files for one in samples]
    half = len(files) // 2
    leaks, opens = rise - 2 * error > LIMIT, max(files[half:]) > max(files[: half or 1])
    lines = [
        f"memory: {rise:+.2f} MB/h, standard error {error:.2f}: {'GROWS' if leaks else 'does not grow beyond 1 MB/h'}"
        + ("" if error < LIMIT / 2 else f"; too short to tell {LIMIT:.0f} MB/h from nothing"),
        f"resident: {samples[0].resident:.0f} to {samples[-1].resident:.0f} MB, anonymous {samples[0].anonymous:.1f} to {samples[-1].anonymous:.1f} MB",
        f"open descriptors: {min(files)} to {max(files)}: {'GROW' if opens else 'constant' if len(set(files)) == 1 else 'no growth'}",
    ]
    return int(leaks or opens), "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration", type=seconds, default=seconds("40m"))
    parser.add_argument("--config", type=Path, default=CONFIG)
    arguments = parser.parse_args()
    begun = time.monotonic()
    samples: list[Sample] = []
    while not samples or samples[-1].seconds < arguments.duration:
        train(len(samples), arguments.config)
        samples.append(sample(begun))
    warm_up = min(600.0, arguments.duration / 4)
    after = [one for one in samples if one.seconds >= warm_up]
    code, said = verdict(after)
    print(
        f"{len(samples)} runs in {samples[-1].seconds / 60:.1f} min, {len(after)} of them after {warm_up / 60:.1f} min of warm-up"
    )
    print(said)
    return code


if __name__ == "__main__":
    sys.exit(main())
