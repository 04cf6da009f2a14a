"""A whole SAC preference run against plain SB3 SAC, and relabelling against its bare matrix products; interleaved pairs.

    python tests/soak/speed_off_policy.py [--pairs 5] [--steps 20000] [--rows 1000000] [--out docs/results/speed_sac.json]

Plain: SB3's SAC on the true reward, as many updates. Ours: configs/bench/speed_sac.yaml, fits and everything else
included, evaluation excluded; its random actions before the first update are plain SB3's `learning_starts`.
Ratios are of CPU seconds, which other work on the machine distorts less; wall seconds stand beside them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import DummyVecEnv

from prefrl import config
from prefrl.plugins import PluginHost
from prefrl.procedures.run import Run
from prefrl.relabel import Relabeller, RelabelReplayBuffer
from prefrl.rewards.batch import input_size
from prefrl.rewards.ensemble import CHUNK, Ensemble
from prefrl.rewards.options import EnsembleOptions
from prefrl.rollout.environments import make
from prefrl.rollout.vectorised import information, record
from prefrl.settings import EnvSettings
from prefrl.specs import BuildContext
from prefrl.timing import Clock

CONFIG = Path(__file__).parents[2] / "configs" / "bench" / "speed_sac.yaml"
CHEETAH = EnvSettings(id="HalfCheetah-v5", n_envs=1)
RANDOM = 1_000  # steps before the first update, in both arms
Seconds = tuple[float, float]  # wall, CPU


def timed(work: Callable[[], Any]) -> Seconds:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def plain(steps: int) -> tuple[Seconds, int]:
    """SB3's own learn, and its gradient steps."""
    venv = DummyVecEnv([lambda: make(CHEETAH)])
    model = SAC("MlpPolicy", venv, learning_starts=RANDOM, seed=100, device="cpu")
    spent = timed(lambda: model.learn(steps))
    venv.close()
    return spent, model._n_updates


def ours(steps: int) -> tuple[Seconds, int, dict[str, float]]:
    """A whole run without its evaluations, its gradient steps and its phases."""
    with tempfile.TemporaryDirectory() as folder:
        tree = config.read(CONFIG, [f"algo.n_timesteps={steps}"])
        host = PluginHost.from_environment(None, config.plugins_of(tree))
        run = Run(config.resolve(tree, host), host, Path(folder) / "run", "speed")
        evaluated = [0.0, 0.0]
        evaluate = run.evaluate

        def apart(*args: Any, **kwargs: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            result = evaluate(*args, **kwargs)
            evaluated[0] += time.perf_counter() - wall
            evaluated[1] += time.process_time() - cpu
            return result

        run.evaluate = apart  # type: ignore[method-assign]  # not what is measured
        wall, cpu = timed(run.execute)
        return (wall - evaluated[0], cpu - evaluated[1]), run.learner().updates, run.clock.report()


def filled(rows: int) -> tuple[Relabeller, Ensemble]:
    """A replay buffer with `rows` random transitions of HalfCheetah."""
    venv = record(CHEETAH, information(CHEETAH), seed=0, name="run", keep=None)
    model = Ensemble(EnsembleOptions(), BuildContext("run", "reward", 0, venv.recording.env))
    relabel = Relabeller(model, frozenset(), venv.recording, gamma=0.99, scale=False, bonuses=[], clock=Clock())
    buffer = RelabelReplayBuffer(rows, venv.observation_space, venv.action_space, device="cpu", relabel=relabel)  # type: ignore[arg-type]  # a Box
    obs = venv.reset()
    rng = np.random.default_rng(0)
    for _ in range(rows):
        action = rng.uniform(-1, 1, (1, 6)).astype(np.float32)
        following, reward, done, infos = venv.step(action)
        buffer.add(obs, following, action, reward, done, infos)
        obs = following
    venv.close()
    model.fitted()
    return relabel, model


def products(rows: int, model: Ensemble) -> Callable[[], None]:
    """The matrix products of relabelling and nothing else, in the chunks that the ensemble uses."""
    sizes = [input_size(model._env), *model._options.hidden, 1]
    layers = [torch.randn(a, b) for a, b in itertools.pairwise(sizes)]
    inputs = [torch.randn(CHUNK, size) for size in sizes[:-1]]
    outputs = [torch.empty(CHUNK, size) for size in sizes[1:]]

    def work() -> None:
        for _ in range(len(model.members) * rows // CHUNK):
            for x, w, out in zip(inputs, layers, outputs, strict=True):
                torch.mm(x, w, out=out)

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {"steps": arguments.steps, "rows": arguments.rows, "run": [], "relabel": []}
    relabel, model = filled(arguments.rows)
    floor = products(arguments.rows, model)
    for _ in range(arguments.pairs):
        pair = {"products": timed(floor), "relabel": timed(relabel.refresh)}
        result["relabel"].append(pair)
        print("relabel / products, CPU:", round(pair["relabel"][1] / pair["products"][1], 3), pair, flush=True)
    for n in range(arguments.pairs):
        if n % 2:
            mine, theirs = ours(arguments.steps), plain(arguments.steps)
        else:
            theirs, mine = plain(arguments.steps), ours(arguments.steps)
        result["run"].append({"plain": theirs, "ours": mine})
        print("run / plain, CPU:", round(mine[0][1] / theirs[0][1], 3), {"plain": theirs, "ours": mine}, flush=True)
    result["relabel_ratio"] = statistics.median(p["relabel"][1] / p["products"][1] for p in result["relabel"])
    result["run_ratio"] = statistics.median(p["ours"][0][1] / p["plain"][0][1] for p in result["run"])
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"medians: relabel {result['relabel_ratio']:.3f} of the products, run {result['run_ratio']:.3f} of plain SB3")


if __name__ == "__main__":
    main()
