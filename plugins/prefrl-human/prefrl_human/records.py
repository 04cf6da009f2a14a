"""A data set and its checks in, what each person was shown and answered out, in the order of the answers.

Checks live in a data set of their own, NAME.checks: training never reads it. A check's `why` says what it is:
``repeat <query id>`` (asked before, same sides), ``mirror <query id>`` (asked before, sides exchanged) or
``known <tiers>`` (JSON of the expected tiers).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from prefrl.errors import DataError
from prefrl.store import DataSet, Store
from prefrl.types import Preference, Query, Tiers

CheckKind = Literal["repeat", "mirror", "known"]
SUFFIX = ".checks"


@dataclass(frozen=True, slots=True)
class Check:
    """What a check query is. `of` is the query it repeats; `expected` the known answer."""

    kind: CheckKind
    of: str | None = None
    expected: Tiers | None = None

    @property
    def why(self) -> str:
        """As it is stored in `Query.why`."""
        if self.expected is not None:
            return f"known {json.dumps(self.expected.tiers)}"
        return f"{self.kind} {self.of}"

    @staticmethod
    def of_why(why: str) -> Check:
        """The inverse of `why`; raises `DataError` for other words."""
        kind, _, rest = why.partition(" ")
        match kind:
            case "known":
                return Check("known", expected=Tiers(tuple(tuple(tier) for tier in json.loads(rest))))
            case "repeat" | "mirror":
                return Check(kind, of=rest)
        raise DataError(f"'{why}' is no check of prefrl-human.")


@dataclass(frozen=True, slots=True)
class Served:
    """One current answer of one person, with what was shown. `check` is None for an ordinary question."""

    query: Query  # its items by id only matter here; clips hold no arrays but observations and actions
    answer: Preference  # shown_order[p]: item at position p (0 left or first), seconds: watched until answered
    check: Check | None

    @property
    def shown_at(self) -> float:
        """Unix time."""
        return self.answer.created - (self.answer.seconds or 0.0)


HIDDEN = frozenset({"true_reward", "factors", "cost", "extras", "states", "policy_action", "log_prob"})


def served(store: Store, name: str, source: str | None = None) -> list[Served]:
    """Every current answer of people to the data set `name` and to its checks, oldest first.

    `source` limits it to one instance of the source `human`; skips are included (`answer.answer` is None).
    """
    found = list(_of(store.data_set(name), None if source is None else {source}, checks=False))
    if any(one.name == name + SUFFIX for one in store.data_sets()):
        found += _of(store.data_set(name + SUFFIX), None if source is None else {source}, checks=True)
    return sorted(found, key=lambda one: one.answer.created)


def _of(data: DataSet, sources: set[str] | None, *, checks: bool) -> Iterator[Served]:
    answers = [p for _, p in data.current() if p.annotator != "-" and (sources is None or p.source in sources)]
    queries = data.queries((p.query_id for p in answers), without=HIDDEN)
    for answer in answers:
        query = queries[answer.query_id]
        yield Served(query, answer, Check.of_why(query.why) if checks else None)
