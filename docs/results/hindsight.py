"""Judging a clip by what came of it, where what pays at once ends badly: labels at once against labels in hindsight.

``python docs/results/hindsight.py --seeds 0 1 2 3 4 --folder runs/hindsight --out docs/results/hindsight/returns.json``

The task is Pit (docs/results/pit.py). The learner looks about as far ahead as a clip is long (gamma 0.8, clips of 5 steps), as
in RLHF, where an answer ends the episode; a learner that looked further would find the pit by itself. The same in both arms.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from prefrl import config
from prefrl.plugins import PluginHost
from prefrl.procedures import train

CONFIG = Path(__file__).parent / "hindsight" / "pit.yaml"
ARMS = {"at once": 0, "in hindsight": 30}  # steps by which a clip goes on before it is judged


def measured(seed: int, arm: str, folder: Path) -> dict[str, Any]:
    """One run's final 20 deterministic episodes."""
    sets = [f"run.seed={seed}", f"sources.oracle.hindsight={ARMS[arm]}"]
    host = PluginHost.from_environment()
    settings = config.resolve(config.read(CONFIG, sets), host)
    run = train(settings, host, folder / f"{arm.replace(' ', '-')}-{seed}", "docs/results/hindsight.py")
    last = json.loads((run / "evaluations.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    random = json.loads((run / "random.json").read_text(encoding="utf-8"))
    means = {
        name: round(float(np.mean(each["true_return"])), 2) for name, each in (("return", last), ("random", random))
    }
    return {"seed": seed, "arm": arm, **means, "preferences": last["preferences"]}


def main() -> None:
    """Write every row as JSON and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = []
    for seed in given.seeds:
        for arm in ARMS:
            rows.append(measured(seed, arm, given.folder))
            print(json.dumps(rows[-1]), flush=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
