"""Whole preference run against plain Stable-Baselines3 on the true reward: same steps, networks, epochs; interleaved pairs.

    python tests/soak/speed.py [--pairs 5] [--steps 100000] [--out docs/results/speed.json]

Plain: PPO on the same environments under VecNormalize. Ours: configs/bench/speed.yaml from the first step to the last,
evaluation excluded, fits and everything else included. Each pair runs one after the other, in changing order.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from prefrl import config
from prefrl.plugins import PluginHost
from prefrl.procedures.run import Run
from prefrl.rollout.environments import make
from prefrl.settings import EnvSettings

CONFIG = Path(__file__).parents[2] / "configs" / "bench" / "speed.yaml"


def plain(steps: int) -> tuple[float, float]:
    """(wall, CPU) seconds of SB3's own learn."""
    env = EnvSettings(id="HalfCheetah-v5")
    venv = VecNormalize(DummyVecEnv([lambda: make(env)] * 8))
    model = PPO("MlpPolicy", venv, n_steps=256, batch_size=64, n_epochs=10, seed=100, device="cpu")
    wall, cpu = time.perf_counter(), time.process_time()
    model.learn(steps)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    venv.close()
    return spent


def ours(steps: int, folder: Path) -> tuple[float, float, dict[str, float]]:
    """(wall, CPU) seconds of a whole run without its evaluations, and its phases."""
    tree = config.read(CONFIG, [f"algo.n_timesteps={steps}"])
    host = PluginHost.from_environment(None, config.plugins_of(tree))
    run = Run(config.resolve(tree, host), host, folder / "run", "speed")
    evaluated = _cpu_of(run, "evaluate")
    wall, cpu = time.perf_counter(), time.process_time()
    run.execute()
    phases = run.clock.report()
    return time.perf_counter() - wall - phases["evaluate"], time.process_time() - cpu - evaluated[0], phases


def _cpu_of(run: Run, name: str) -> list[float]:
    """CPU seconds spent in a method of the run, filled in while it runs."""
    method, spent = getattr(run, name), [0.0]

    def measured(*args: Any, **kwargs: Any) -> Any:
        begun = time.process_time()
        result = method(*args, **kwargs)
        spent[0] += time.process_time() - begun
        return result

    setattr(run, name, measured)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=Path("docs/results/speed.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pairs = []
    for i in range(arguments.pairs):
        with tempfile.TemporaryDirectory() as folder:
            first = plain(arguments.steps) if i % 2 == 0 else None
            wall, cpu, phases = ours(arguments.steps, Path(folder))
            plain_wall, plain_cpu = first or plain(arguments.steps)
        pair = {
            "plain": {"wall": plain_wall, "cpu": plain_cpu},
            "prefrl": {"wall": wall, "cpu": cpu},
            "wall_ratio": wall / plain_wall,
            "cpu_ratio": cpu / plain_cpu,
            "phases": phases,
        }
        pairs.append(pair)
        print(json.dumps({key: pair[key] for key in ("wall_ratio", "cpu_ratio", "phases")}), flush=True)
    ratios = [pair["wall_ratio"] for pair in pairs]
    cpu_ratios = [pair["cpu_ratio"] for pair in pairs]
    packages = ("torch", "stable-baselines3", "mujoco", "gymnasium", "numpy")
    result = {
        "command": " ".join(["python", *sys.argv]),
        "steps": arguments.steps,
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}},
        "machine": {"system": platform.system(), "cores": os.cpu_count()},
        "wall_ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
        "cpu_ratio": {"median": statistics.median(cpu_ratios), "min": min(cpu_ratios), "max": max(cpu_ratios)},
        "pairs": pairs,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"prefrl / plain SB3: wall {result['wall_ratio']}  cpu {result['cpu_ratio']}  -> {arguments.out}")


if __name__ == "__main__":
    main()
