"""Stands between the host and a source: full queries in, only what it declared out; its answers in, only sound ones out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from prefrl.errors import BadAnswer
from prefrl.specs import Needs, Pool
from prefrl.types import (
    Answer,
    Binary,
    Candidate,
    Choice,
    Episode,
    Grades,
    Item,
    Preference,
    Query,
    Segment,
    Tiers,
    Triplet,
)

Recorded = TypeVar("Recorded", Segment, Episode)

# Which answers say something about which kind of question.
ANSWERS: Mapping[str, tuple[type[Answer], ...]] = {
    "pair": (Tiers, Choice, Grades),
    "ranking": (Tiers, Choice, Grades),
    "choice": (Choice, Tiers),
    "grade": (Grades,),
    "binary": (Binary,),
    "similarity": (Triplet,),
}


def hide(query: Query, needs: Needs, privileged: frozenset[str]) -> Query:
    """`query` without what `needs` does not name; ids stay. `privileged` names the privileged factors.

    True reward and costs need "true_reward"; factors "factors" or, if privileged, "privileged_factors"; extras, of which
    nothing is known, "privileged_factors"; states "states" or "frames"; what the policy sampled "policy".
    """
    return replace(query, items=tuple(_hidden(item, needs, privileged) for item in query.items))


def _hidden(item: Item, needs: Needs, privileged: frozenset[str]) -> Item:
    if isinstance(item, Candidate) and item.clip is not None:
        return replace(item, clip=_hidden_record(item.clip, needs, privileged))
    return _hidden_record(item, needs, privileged) if isinstance(item, Segment) else item


def _hidden_record(record: Recorded, needs: Needs, privileged: frozenset[str]) -> Recorded:
    visible = {
        name: values
        for name, values in record.factors.items()
        if ("privileged_factors" if name in privileged else "factors") in needs
    }
    reward, policy = "true_reward" in needs, "policy" in needs
    return replace(
        record,
        factors=visible,
        true_reward=record.true_reward if reward else None,
        cost=record.cost if reward else {},
        extras=record.extras if "privileged_factors" in needs else {},
        states=record.states if needs & {"states", "frames"} else None,
        policy_action=record.policy_action if policy else None,
        log_prob=record.log_prob if policy else None,
    )


class VisiblePool:
    """A pool as one source may see it: what it did not declare is hidden in every segment and episode handed out."""

    def __init__(self, pool: Pool, needs: Needs, privileged: frozenset[str]) -> None:
        self._pool, self._needs, self._privileged = pool, needs, privileged

    def sample(self, n: int, length: int, rng: np.random.Generator, window: int | None = None) -> Sequence[Any]:
        return self._pool.sample(n, length, rng, window)

    def segment(self, index: Any) -> Segment:
        return _hidden_record(self._pool.segment(index), self._needs, self._privileged)

    def recent(self, n: int) -> Sequence[Episode]:
        return [_hidden_record(episode, self._needs, self._privileged) for episode in self._pool.recent(n)]


def checked(answers: Iterable[Preference], queries: Sequence[Query], name: str) -> Iterator[Preference]:
    """Pass on what the source `name` yields about `queries`, one at a time; raise `BadAnswer` at the first nonsense."""
    asked = {query.id: query for query in queries}
    seen: set[str] = set()
    for answer in answers:
        if not isinstance(answer, Preference):
            raise BadAnswer(
                f"Source '{name}' yielded a {type(answer).__name__} where prefrl.types.Preference is allowed."
            )
        query = asked.get(answer.query_id)
        if query is None:
            raise BadAnswer(f"Source '{name}' answered query {answer.query_id}, which it was not asked.")
        fault = "it was answered before" if query.id in seen else _fault(answer, query)
        if fault is not None:
            raise BadAnswer(
                f"Source '{name}' gave query {query.id} ({query.kind} of {len(query.items)}) a bad answer: {fault}."
            )
        seen.add(query.id)
        yield answer


def _fault(preference: Preference, query: Query) -> str | None:
    """What is wrong with an answer, None if nothing is."""
    answer, k = preference.answer, len(query.items)
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
    allowed = ANSWERS[query.kind]
    if not isinstance(answer, allowed):
        return f"it is {type(answer).__name__}, allowed: {', '.join(kind.__name__ for kind in allowed)}"
    return _content_fault(answer, query.kind, k)


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
