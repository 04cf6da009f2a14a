"""Three sources that are wrong in 1, 20 and 50 % of their answers: what is learned of them, and what it is worth.

``python docs/results/sources.py --seeds 0 1 2 3 4 --out docs/results/sources/reliability.json``

Each of 200 questions about HalfCheetah-v5 is answered by all three. ``equal`` trusts all answers alike, ``reliability``
learns whom to trust, ``best`` was
told who the best is and hears nobody else.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from offline import accuracy, clips, fitted, oracle, questions, told

from prefrl.filters.options import ReliabilityOptions
from prefrl.filters.reliability import Reliability
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build
from prefrl.settings import EnvSettings, FitSettings
from prefrl.specs import BuildContext
from prefrl.types import Preference

TASK = EnvSettings(id="HalfCheetah-v5")
MISTAKES = {"careful": 0.01, "hasty": 0.2, "guessing": 0.5}
QUESTIONS = 200
SETTINGS = FitSettings(epochs=20, batch_size=100, learning_rate=2e-3, steps=8, validation=0.0)


def measured(seed: int) -> dict[str, Any]:
    """One row: the learned error rates, the true shares of wrong answers, and each arm's accuracy on unseen clips."""
    items, info = clips(TASK, 2 * QUESTIONS, seed)
    unseen, _ = clips(TASK, 500, 10_000 + seed)
    asked = questions(items, seed)
    answers: list[Preference] = []
    for name, mistake in MISTAKES.items():
        answers += told(oracle(name, mistake, seed, info), asked)
    truth = {p.query_id: p.answer for p in told(oracle("truth", 0.0, seed, info), asked)}
    row: dict[str, Any] = {"seed": seed, "answers": len(answers), "accuracy": {}, "error": {}}
    for name in MISTAKES:
        row["error"][name] = {
            "true": float(np.mean([truth[p.query_id] != p.answer for p in answers if p.source == name]))
        }
    crowd = Reliability(ReliabilityOptions(), BuildContext("offline", "reliability", seed, info))
    arms: dict[str, tuple[list[Preference], list[Any]]] = {
        "equal": (answers, []),
        "reliability": (answers, [crowd]),
        "best": ([p for p in answers if p.source == "careful"], []),
    }
    for arm, (heard, filters) in arms.items():
        started = time.process_time()
        reward, _ = fitted(heard, asked, info, build(BradleyTerryOptions()), filters, SETTINGS, seed)
        row["accuracy"][arm] = round(accuracy(reward, unseen), 4)
        row.setdefault("seconds", {})[arm] = round(time.process_time() - started, 2)
    for name, error in crowd.error.items():
        row["error"][name]["learned"] = round(error, 4)
    return row


def main() -> None:
    """Write every row as JSON and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = []
    for seed in given.seeds:
        rows.append(measured(seed))
        print(json.dumps(rows[-1]), flush=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({"mistakes": MISTAKES, "questions": QUESTIONS, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
