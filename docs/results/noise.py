"""30 % of the answers are wrong: what each of four ways of fitting makes of them, offline, on two tasks.

``python docs/results/noise.py --seeds 0 1 2 3 4 --out docs/results/noise/accuracy.json``

300 answers by true return about clips of drifting random actions. ``random`` turns each round with probability 0.3;
``features`` with a probability that rises from 0 to 0.6 with how much effort the two clips show, 0.3 on the mean. Accuracy
is that of the learned return on random pairs of 300 unseen clips, against true returns.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from offline import accuracy, clips, fitted, oracle, questions, told

from prefrl.filters.options import RimeOptions, VotesOptions
from prefrl.filters.rime import Rime
from prefrl.filters.votes import Votes
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build
from prefrl.settings import EnvSettings, FitSettings
from prefrl.specs import BuildContext
from prefrl.types import Preference, Query, Segment, Tiers

TASKS = ("HalfCheetah-v5", "Reacher-v5")
QUESTIONS, WRONG = 300, 0.3
SETTINGS: dict[str, Any] = {"epochs": 20, "batch_size": 100, "learning_rate": 2e-3, "steps": 8, "validation": 0.0}


def turned(answers: list[Preference], queries: list[Query], kind: str, seed: int) -> list[Preference]:
    """The same answers, some of them the wrong way round."""
    rng = np.random.default_rng([seed, 7])
    chance = np.full(len(answers), WRONG)
    if kind == "features":
        effort = [np.mean([np.square(i.action).mean() for i in q.items if isinstance(i, Segment)]) for q in queries]
        chance = 2 * WRONG * np.argsort(np.argsort(effort)) / (len(effort) - 1)
    wrong = rng.random(len(answers)) < chance
    made = []
    for answer, query, flip in zip(answers, queries, wrong, strict=True):
        assert isinstance(answer.answer, Tiers)
        tiers = Tiers(answer.answer.tiers[::-1]) if flip else answer.answer
        made.append(Preference.of(query, tiers, source=answer.source))
    return made


def methods(context: BuildContext) -> dict[str, tuple[BradleyTerryOptions, list[Any], FitSettings]]:
    """Loss, filters and fit of each way; all but what the way is about are the same."""
    plain, looking = FitSettings(**SETTINGS), FitSettings(**SETTINGS, refilter=1)
    voted = BradleyTerryOptions.model_validate({"label_tf": ["flip_by_votes"]})
    robust = BradleyTerryOptions.model_validate({"link": {"robust": WRONG}})
    return {
        "plain": (BradleyTerryOptions(), [], plain),
        "rime": (BradleyTerryOptions(), [Rime(RimeOptions(), context)], looking),
        "votes": (voted, [Votes(VotesOptions(), context)], plain),
        "robust": (robust, [], plain),
    }


def measured(task: str, seed: int) -> list[dict[str, Any]]:
    """A row per kind of error."""
    items, info = clips(EnvSettings(id=task), 2 * QUESTIONS, seed)
    unseen, _ = clips(EnvSettings(id=task), 300, 10_000 + seed)
    asked = questions(items, seed)
    true = told(oracle("truth", 0.0, seed, info), asked)
    rows = []
    for kind in ("random", "features"):
        answers = turned(true, asked, kind, seed)
        wrong = float(np.mean([a.answer != b.answer for a, b in zip(answers, true, strict=True)]))
        row: dict[str, Any] = {"task": task, "seed": seed, "errors": kind, "wrong": round(wrong, 4), "accuracy": {}}
        for name, (loss, filters, settings) in methods(BuildContext("offline", "noise", seed, info)).items():
            started = time.process_time()
            reward, _ = fitted(answers, asked, info, build(loss), filters, settings, seed)
            row["accuracy"][name] = round(accuracy(reward, unseen), 4)
            row.setdefault("seconds", {})[name] = round(time.process_time() - started, 2)
        rows.append(row)
    return rows


def main() -> None:
    """Write every row as JSON and print the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = []
    for task in TASKS:
        for seed in given.seeds:
            rows += measured(task, seed)
            print(json.dumps(rows[-2:]), flush=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({"questions": QUESTIONS, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
