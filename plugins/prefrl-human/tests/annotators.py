"""Simulated people: what they would be served and answer, as `prefrl_human.records.served` returns it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from prefrl.types import Preference, Query, Text, Tiers
from prefrl_human.records import Check, Served

ITEMS = [Text("clip", f"{i:02}") for i in range(40)]  # a later one is better
Judge = Callable[[tuple[int, ...], tuple[int, ...], np.random.Generator], tuple[int, ...]]


def good(error: float = 0.1) -> Judge:
    """Right about each pair of neighbours but for a share of errors, wherever clips stand."""

    def judge(worth: tuple[int, ...], shown: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        order = sorted(range(len(worth)), key=lambda i: -worth[i])
        return tuple(order if rng.random() >= error else order[::-1])

    return judge


def coin(worth: tuple[int, ...], shown: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
    """Any order at all."""
    return tuple(rng.permutation(len(worth)).tolist())


def always_first(worth: tuple[int, ...], shown: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
    """The clips as they stand."""
    return shown


def session(
    name: str, judge: Judge, rng: np.random.Generator, *, answers: int = 40, known: int = 12, again: int = 4,
    seconds: float = 4.0, k: int = 2,
) -> Iterator[Served]:  # fmt: skip
    """`answers` questions of which `known` have a known winner and `again` are repeated, half of them with sides exchanged."""
    plain = answers - known - again
    asked: list[Served] = []
    for number in range(answers):
        check: Check | None = None
        if number < plain + again and number >= plain:
            before = asked[int(rng.integers(plain))]
            items, shown = before.query.items, before.answer.shown_order
            assert shown is not None
            kind = "mirror" if number % 2 else "repeat"
            shown = shown[::-1] if kind == "mirror" else shown
            check = Check(kind, of=before.query.id)  # type: ignore[arg-type]
        else:
            items = tuple(ITEMS[i] for i in rng.choice(len(ITEMS), k, replace=False))
            shown = tuple(rng.permutation(k).tolist())
        worth = tuple(int(item.completion) for item in items)  # type: ignore[union-attr]
        if number >= plain + again:
            check = Check("known", expected=Tiers(tuple((i,) for i in sorted(range(k), key=lambda i: -worth[i]))))
        query = Query(f"{name}{number}", items, "pair" if k == 2 else "ranking", why=check.why if check else "")
        tiers = tuple((i,) for i in judge(worth, shown, rng))
        taken = float(rng.lognormal(np.log(seconds), 0.4))
        given = Preference(
            f"{name}{number}",
            query.id,
            "human",
            Tiers(tiers),
            annotator=name,
            shown_order=shown,
            seconds=taken,
            created=number,
        )
        asked.append(Served(query, given, check))
        yield asked[-1]
