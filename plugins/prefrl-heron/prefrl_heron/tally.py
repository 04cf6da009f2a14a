"""Decisions in, what each level did as a section of the run's report out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prefrl_heron.hierarchy import Decisions, circles
from prefrl_heron.margins import Yardstick
from prefrl_heron.ranking import Ranking

COUNTS = ("pairs", "undecided", "used", "circles", "questions", "answered")


class Tally:
    """Counts over a whole run, by level and in all."""

    def __init__(self, ranking: Ranking) -> None:
        self._ranking = ranking
        self.decided = np.zeros(len(ranking.levels), np.int64)  # pairs each level decided
        self.opposed = np.zeros(len(ranking.levels), np.int64)  # of them, those where a level below says the opposite
        self.counts = dict.fromkeys(COUNTS, 0)

    def add(self, decisions: Decisions, used: int) -> None:
        """One question, of whose clips `used` went into the answer (0 if none could be given)."""
        upper = np.triu_indices(len(decisions.winner), 1)
        level, opposed = decisions.level[upper], decisions.opposed[upper]
        self.decided += np.bincount(level[level >= 0], minlength=len(self.decided))
        self.opposed += np.bincount(level[opposed], minlength=len(self.opposed))
        found = {
            "pairs": len(level), "undecided": int((level < 0).sum()), "used": used * (used - 1) // 2,
            "circles": circles(decisions.winner), "questions": 1, "answered": int(used > 0),
        }  # fmt: skip
        self.counts = {name: count + found[name] for name, count in self.counts.items()}

    @property
    def reached(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """(L,) pairs that came down to each level."""
        return np.asarray(self.counts["pairs"] - np.concatenate([[0], self.decided.cumsum()[:-1]]))

    def rows(self, yardstick: Yardstick) -> list[list[str]]:
        """One row of text per level."""
        return [
            [
                f"{level + 1}. {self._ranking.title(level)}",
                f"{yardstick.deviations[level]:.2f}",
                str(reached),
                str(decided),
                _share(decided, reached),
                _share(opposed, decided),
            ]
            for level, (reached, decided, opposed) in enumerate(
                zip(self.reached.tolist(), self.decided.tolist(), self.opposed.tolist(), strict=True)
            )
        ]

    def text(self, yardstick: Yardstick, privileged: bool) -> str:
        """What the table does not say."""
        c = self.counts
        said = [
            f"{c['answered']} of {c['questions']} questions answered; no level decided {c['undecided']} of {c['pairs']} pairs.",
            f"{c['used']} pairs entered answers, the others stand in no order that could be stated without inventing one.",
        ]
        if c["circles"]:
            said.append(f"{c['circles']} triples of clips beat one another in a circle.")
        still = [name for name, spread in zip(self._ranking.names, yardstick.spread, strict=True) if spread == 0]
        if still:
            said.append(f"Constant over the recorded clips of the last round, so without a say: {', '.join(still)}.")
        if privileged:
            said.append("Privileged: ranked factors give the designed reward away, which a robot does not have.")
        return " ".join(said)

    def write(self, folder: Path, name: str, yardstick: Yardstick, privileged: bool) -> None:
        """Replace the section of the source `name` in a run folder."""
        target = folder / "sections" / f"{name}.json"
        target.parent.mkdir(exist_ok=True)
        section = {
            "title": f"Source {name}: what each level decided",
            "text": self.text(yardstick, privileged),
            "header": [
                "level",
                "margin (std)",
                "pairs that reached it",
                "decided",
                "share",
                "opposed by a lower level",
            ],
            "rows": self.rows(yardstick),
        }
        draft = target.with_name(f".{target.name}")
        draft.write_text(json.dumps(section, indent=1), encoding="utf-8")
        draft.replace(target)

    def state_dict(self) -> Mapping[str, Any]:
        return {"decided": self.decided.tolist(), "opposed": self.opposed.tolist(), "counts": dict(self.counts)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.decided, self.opposed = np.array(state["decided"]), np.array(state["opposed"])
        self.counts = dict(state["counts"])


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"
