"""A round's candidates and what was said of them in; the best, the worst, and the record of the round out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prefrl.types import Preference, Tiers

FILE = "rounds.json"  # in the folder icpl of the run
BEST = "best.json"  # there, too: files of programs, the best first


@dataclass(frozen=True, slots=True)
class Round:
    """What came of a round. Names are places of replies; `order` holds those that were ranked, best tier first."""

    number: int
    candidates: tuple[str, ...]
    order: tuple[tuple[str, ...], ...]
    best: str | None  # so far
    worst: str | None  # of this round's own
    comparisons: int  # by ICPL's count, of this round and all before
    tokens: int  # of all replies so far; calls that failed are in the ledger
    steps: int  # of all environments, so far
    true_return: float  # of the best so far, on evaluation seeds; no prompt holds it
    seconds: float


def comparisons(candidates: int, rounds: int) -> int:
    """(K - 1) * 2N - 1, as ICPL counts: K - 1 to find the best and K - 1 to find the worst of each round, less one."""
    return (candidates - 1) * 2 * rounds - 1


def order_of(names: Sequence[str], preference: Preference | None) -> tuple[tuple[str, ...], ...]:
    """Tiers of names, best first; nothing where nothing was said."""
    if preference is None or not isinstance(preference.answer, Tiers):
        return ()
    return tuple(tuple(names[i] for i in tier) for tier in preference.answer.tiers)


def by_score(scores: dict[str, float]) -> tuple[tuple[str, ...], ...]:
    """As if the true score had been asked."""
    return tuple((name,) for name in sorted(scores, key=lambda name: -scores[name]))


def best_of(order: Sequence[Sequence[str]], so_far: str | None) -> str | None:
    """The first of the best tier; the best so far where it is among them, or where nothing was said."""
    if not order or (so_far is not None and so_far in order[0]):
        return so_far
    return order[0][0]


def worst_of(order: Sequence[Sequence[str]], own: Sequence[str], best: str | None) -> str | None:
    """The last of the worst tier that holds one of the round's `own`, other than the best."""
    for tier in reversed(order):
        for name in reversed(tier):
            if name in own and name != best:
                return name
    return None


def ranked(rounds: Sequence[Round]) -> list[str]:
    """All programs: the best so far, then as later rounds rank them before earlier ones, then what nobody ranked."""
    names = [rounds[-1].best] if rounds and rounds[-1].best else []
    for one in reversed(rounds):
        names += [name for tier in one.order for name in tier] + list(one.candidates)
    return list(dict.fromkeys(filter(None, names)))


def write(folder: Path, rounds: Sequence[Round], title: str) -> None:
    """Rounds, programs by rank, and a section of the report."""
    icpl = folder / "icpl"
    _replace(icpl / FILE, [asdict(one) for one in rounds])
    _replace(icpl / BEST, [f"programs/{name}.py" for name in ranked(rounds)])
    header = ["round", "best so far", "ranking", "true return", "comparisons", "steps", "tokens", "minutes"]
    rows = [
        [one.number, one.best or "none", " > ".join(" = ".join(tier) for tier in one.order) or "nobody ranked",
         f"{one.true_return:.1f}", one.comparisons, one.steps, one.tokens, f"{one.seconds / 60:.1f}"]
        for one in rounds
    ]  # fmt: skip
    sections = folder / "sections"
    sections.mkdir(exist_ok=True)
    text = (
        "Programs by a language model; each policy learned from one. Comparisons are counted as (K - 1) * 2N - 1; the true "
        "return is of the best policy so far, and no prompt holds it."
    )
    _replace(sections / "icpl.json", {"title": title, "text": text, "header": header, "rows": rows})


def _replace(path: Path, value: Any) -> None:
    draft = path.with_suffix(".partial")
    draft.write_text(json.dumps(value, indent=1), encoding="utf-8")
    draft.replace(path)
