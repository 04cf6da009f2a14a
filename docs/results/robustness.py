"""Finished runs in, the returns of their final policies under other masses and friction out.

``python docs/results/robustness.py runs/heron-cheetah runs/heron-sum-cheetah ... --out robustness.json``

Every body's mass and inertia, and every surface's sliding friction, are multiplied by 0.7, 1 and 1.3 each, at test alone:
the robustness that HERON's paper claims for its policies. 20 episodes on evaluation seeds 10000 + i, as everywhere.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import yaml

from prefrl.evaluation import FIRST_SEED, final_policy
from prefrl.rollout.environments import flat, make
from prefrl.settings import EnvSettings
from prefrl.specs import Policy

SCALES = (0.7, 1.0, 1.3)


def changed(settings: EnvSettings, mass: float, friction: float) -> gym.Env[Any, Any]:
    """The task with other masses (kg, kg m^2) and sliding friction, its derived constants computed anew."""
    env = make(settings)
    model = env.unwrapped.model  # type: ignore[attr-defined]  # tasks of MuJoCo have one
    model.body_mass[:] *= mass
    model.body_inertia[:] *= mass
    model.geom_friction[:, 0] *= friction
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return env


def returns(policy: Policy, env: gym.Env[Any, Any], episodes: int) -> list[float]:
    """True return of each deterministic episode."""
    found = []
    for seed in range(FIRST_SEED, FIRST_SEED + episodes):
        obs, _ = env.reset(seed=seed)
        total, ended = 0.0, False
        while not ended:
            action = policy.act(flat(env.observation_space, obs)[None])[0]
            obs, reward, terminated, truncated, _ = env.step(action)
            total += float(reward)
            ended = terminated or truncated
        found.append(total)
    return found


def main() -> None:
    """Write every episode's return as JSON and print the means as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    variants = list(product(SCALES, SCALES))
    print("| run | " + " | ".join(f"mass x {m}, friction x {f}" for m, f in variants) + " |")
    print("|---|" + "---:|" * len(variants))
    results: dict[str, dict[str, list[float]]] = {}
    for run in given.runs:
        plain = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        policy = final_policy(run, plain["algo"]["name"])
        results[run.name] = {}
        for mass, friction in variants:
            env = changed(EnvSettings.model_validate(plain["env"]), mass, friction)
            results[run.name][f"{mass}/{friction}"] = returns(policy, env, given.episodes)
            env.close()
        means = [np.mean(values) for values in results[run.name].values()]
        print(f"| {run.name} | " + " | ".join(f"{mean:.0f}" for mean in means) + " |", flush=True)
    given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
