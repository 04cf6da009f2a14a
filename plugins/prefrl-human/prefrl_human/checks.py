"""What a person has answered in, hidden questions about it out: repeats, mirrored repeats and pairs whose winner is known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prefrl.specs import named_rng
from prefrl.types import Choice, Preference, Query, Tiers
from prefrl_human.options import CheckOptions
from prefrl_human.records import Check, CheckKind

GAP = 3  # answers between a question and its repetition, at least; what is prepared ahead must be fewer
# In turn; a known winner says more: a good person who errs once in ten disagrees with himself twice in ten.
KINDS: tuple[CheckKind, ...] = ("known", "known", "known", "repeat", "known", "mirror")


@dataclass(frozen=True, slots=True)
class Made:
    """A check to serve. `order` is that of the items on the page."""

    query: Query
    check: Check
    order: tuple[int, ...]


def due(options: CheckOptions, seed: int, who: str, number: int) -> bool:
    """Whether the `number`-th question (from 0) served to `who` is a check: evenly spread, from a random beginning."""
    if options.rate == 0 or number < options.after:
        return False
    phase = float(named_rng(seed, "checks", who).random())
    since = number - options.after
    return math.floor(options.rate * (since + 1) + phase) > math.floor(options.rate * since + phase)


def make(
    number: int,
    who: str,
    answered: Sequence[Preference],
    used: Iterable[str],
    known: Sequence[tuple[str, Tiers]],
    made: int,
    seed: int,
) -> tuple[str, Check, tuple[int, ...] | None] | None:
    """(id of the query to ask again, what it is, order of its items or None for any) for the `number`-th question.

    `answered` are the person's answers to ordinary questions in their order, `used` ids asked again before, `known`
    (query id, winner) pairs, `made` counts checks so far. None if there is nothing to ask again.
    """
    rng = named_rng(seed, "check", who, number)
    taken = set(used)
    old = [p for p in answered[: max(0, number - GAP)] if p.outcome == "answered" and p.query_id not in taken]
    seen = {p.query_id for p in answered}
    fresh = [(key, tiers) for key, tiers in known if key not in seen and key not in taken]
    for turn in range(len(KINDS)):
        kind = KINDS[(made + turn) % len(KINDS)]
        if kind == "known" and fresh:
            key, tiers = fresh[int(rng.integers(len(fresh)))]
            return key, Check("known", expected=tiers), None
        if kind != "known" and old:
            again = old[int(rng.integers(len(old)))]
            order = again.shown_order
            if order is not None:
                order = order if kind == "repeat" else order[::-1]
            return again.query_id, Check(kind, of=again.query_id), order
    return None


def known_winners(preferences: Iterable[Preference], by: str) -> list[tuple[str, Tiers]]:
    """(query id, tiers) of the answers of the source or person `by` that say who wins."""
    found: dict[str, Tiers] = {}
    for preference in preferences:
        if by not in (preference.source, preference.annotator) or preference.answer is None:
            continue
        if isinstance(preference.answer, Tiers) and len(preference.answer.tiers) > 1:
            found[preference.query_id] = preference.answer
        elif isinstance(preference.answer, Choice):
            found[preference.query_id] = Tiers(((preference.answer.best,),))
    return list(found.items())
