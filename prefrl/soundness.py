"""A question's kind, its number of items and an answer in; what is wrong with the answer out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from prefrl.types import Answer, Binary, Choice, Grades, Preference, Tiers, Triplet

# Which answers say something about which kind of question.
ANSWERS: Mapping[str, tuple[type[Answer], ...]] = {
    "pair": (Tiers, Choice, Grades),
    "ranking": (Tiers, Choice, Grades),
    "choice": (Choice, Tiers),
    "grade": (Grades,),
    "binary": (Binary,),
    "similarity": (Triplet,),
}


def fault(preference: Preference, kind: str, k: int) -> str | None:
    """What is wrong with an answer to a question of `kind` about `k` items, None if nothing is."""
    answer = preference.answer
    if (answer is None) != (preference.outcome == "skip"):
        return f"outcome '{preference.outcome}' with answer {answer}, a skip has None and an answer has one"
    for field in ("strength", "seconds"):
        value = getattr(preference, field)
        if value is not None and not math.isfinite(value):
            return f"{field} is {value}, a finite number is allowed"
    if preference.shown_order is not None and sorted(preference.shown_order) != list(range(k)):
        return f"shown_order {preference.shown_order} is no order of {k} items"
    window = preference.rationale.window
    if window is not None and not 0 <= window[0] < window[1]:
        return f"the rationale's window {window} is empty"
    if answer is None:
        return None
    allowed = ANSWERS[kind]
    if not isinstance(answer, allowed):
        return f"it is {type(answer).__name__}, allowed: {', '.join(one.__name__ for one in allowed)}"
    return _content_fault(answer, kind, k)


def _content_fault(answer: Answer, kind: str, k: int) -> str | None:
    match answer:
        case Tiers(tiers):
            ranked = [item for tier in tiers for item in tier]
            if not all(tiers) or len(set(ranked)) != len(ranked) or not set(ranked) <= set(range(k)):
                return f"tiers {tiers} do not name items 0 to {k - 1} at most once each"
            least = k if kind == "pair" else min(k, 2) if kind == "ranking" else 1
            return (
                f"tiers {tiers} rank {len(ranked)} items, at least {least} are needed" if len(ranked) < least else None
            )
        case Grades(values):
            return _numbers_fault(values, k, -math.inf, math.inf)
        case Binary(values):
            return _numbers_fault(values, k, 0.0, 1.0)
        case Choice(best):
            return None if best in range(k) else f"choice {best} is none of items 0 to {k - 1}"
        case Triplet(closer):
            return None if closer in (1, 2) and k == 3 else f"closer is {closer} of {k} items, allowed are 1 and 2 of 3"


def _numbers_fault(values: Sequence[float], k: int, low: float, high: float) -> str | None:
    if len(values) != k:
        return f"{len(values)} values for {k} items"
    bad = [value for value in values if not (math.isfinite(value) and low <= value <= high)]
    return f"{bad[0]} is no finite number from {low} to {high}" if bad else None
