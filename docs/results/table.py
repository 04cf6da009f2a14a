"""Raw results of a folder in, its table out: ``python docs/results/table.py docs/results/halfcheetah-v5``.

Each arm is a folder with one folder per seed, which holds a run's config.yaml, evaluations.jsonl, random.json, fits.jsonl,
timing.json and manifest.json. Normalised return is (x - R) / (G - R) with x the mean of the 20 final episodes, R and G the
means of the random and ground-truth arms over all their seeds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from prefrl.statistics import bootstrap_interval, interquartile_mean, iqm, normalised_return

TRUTH = "ground-truth"


def final_returns(arm: Path) -> dict[int, float]:
    """Seed -> mean return of the final evaluation."""
    seeds = sorted(int(folder.name) for folder in arm.iterdir() if folder.is_dir())
    lines = {seed: (arm / str(seed) / "evaluations.jsonl").read_text().splitlines() for seed in seeds}
    return {seed: float(np.mean(json.loads(rows[-1])["true_return"])) for seed, rows in lines.items()}


def main(folder: Path) -> None:
    """Print the table as Markdown."""
    arms = {arm.name: final_returns(arm) for arm in sorted(folder.iterdir()) if arm.is_dir()}
    randoms = [np.mean(json.loads(path.read_text())["true_return"]) for path in folder.glob("*/*/random.json")]
    random, truth = float(np.mean(randoms)), float(np.mean(list(arms[TRUTH].values())))
    digits = 0 if abs(truth - random) >= 100 else 1
    print(f"random actions {random:.{digits}f}, ground truth {truth:.{digits}f} (means over the seeds)\n")
    print("| arm | return of each seed | normalised, each seed | mean | IQM | 95 % interval of the IQM |")
    print("|---|---|---|---|---|---|")
    for name, returns in arms.items():
        values = [normalised_return(value, random, truth) for value in returns.values()]
        low, high = bootstrap_interval([values], statistic=interquartile_mean)
        each = ", ".join(f"{value:.{digits}f}" for value in returns.values())
        shown = ", ".join(f"{value:.2f}" for value in values)
        print(f"| {name} | {each} | {shown} | {np.mean(values):.2f} | {iqm(values):.2f} | {low:.2f} to {high:.2f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
