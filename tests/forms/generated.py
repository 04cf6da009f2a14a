"""Generated data sets with every kind of question and answer, and what each form must bring back of them.

`test_round_trips.py` tries some, tests/soak/test_forms.py a thousand.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from prefrl.forms import FORMS
from prefrl.forms.triple import ORDERS
from prefrl.store import DataSet, Store
from prefrl.store.exchange import Export
from prefrl.store.records import item_data, query_row, to_json
from prefrl.types import (
    Binary,
    Choice,
    EnvInfo,
    Factor,
    Grades,
    Item,
    Preference,
    Query,
    Rationale,
    Segment,
    Text,
    Tiers,
    Triplet,
)

ENV = EnvInfo(
    "Toy-v0",
    (3,),
    (2,),
    dt=0.05,
    task="walk, naïvely",
    costs=("energy",),
    factors={"speed": Factor("speed", "m/s", True, "v")},
)
NASTY = [
    "",
    "-",
    "=1+1",
    "+1",
    "@x",
    "'",
    "''=",
    "\t=",
    "\r\n",
    " =x",
    "＝1",
    '"',
    "a;=b",
    "a,b",
    "ünï",
    "\x00",
    "\ud83e",
]
names = st.sampled_from([one for one in NASTY if one.isprintable() or one == "\t="]) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6
)
words = st.sampled_from(NASTY) | st.text(max_size=6)
numbers = st.floats(allow_nan=False, allow_infinity=False)


def clip(seed: int, steps: int) -> Segment:
    rng = np.random.default_rng(seed)
    return Segment.of(
        rng.normal(size=(steps + 1, 3)).astype(np.float32),
        rng.normal(size=(steps, 2)),
        true_reward=rng.normal(size=steps),
        terminated=seed % 3 == 0,
        env_id="Toy-v0",
        episode=f"e{seed}",
        start=seed,
    )


CLIPS = [clip(seed, 2 + seed % 2) for seed in range(8)]


@st.composite
def questions(draw: Callable[..., Any], number: int) -> Query:
    kind = draw(st.sampled_from(["pair", "pair", "pair", "ranking", "choice", "grade", "binary", "similarity"]))
    k = {"pair": 2, "similarity": 3}.get(kind) or draw(st.integers(1 if kind in ("grade", "binary") else 2, 4))
    items: list[Item] = [draw(st.sampled_from(CLIPS)) for _ in range(k)]
    if draw(st.integers(0, 3)) == 0:
        items = [Text(draw(words.filter(_encodes)), f"{number}{i}{draw(words.filter(_encodes))}") for i in range(k)]
    return Query.of("run", number, items, kind=kind, question=draw(names), why=draw(names))


def _encodes(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)  # a text item is hashed as UTF-8


def answers(query: Query) -> st.SearchStrategy[Any]:
    k = len(query.items)
    values = st.lists(numbers, min_size=k, max_size=k).map(tuple)
    every = {
        "grade": values.map(Grades),
        "binary": st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=k, max_size=k).map(tuple).map(Binary),
        "similarity": st.sampled_from([1, 2]).map(Triplet),
        "choice": st.integers(0, k - 1).map(Choice),
    }
    if query.kind in every:
        return st.none() | every[query.kind]
    orders = st.permutations(range(k)).flatmap(lambda order: cuts(tuple(order), partial=query.kind == "ranking"))
    return st.none() | orders.map(Tiers) | every["choice"] | values.map(Grades)


def cuts(order: tuple[int, ...], partial: bool) -> st.SearchStrategy[tuple[tuple[int, ...], ...]]:
    """Tiers of an order: ties anywhere, and for rankings items left out at the end."""

    @st.composite
    def build(draw: Callable[..., Any]) -> tuple[tuple[int, ...], ...]:
        kept = order[: draw(st.integers(2, len(order)))] if partial else order
        tiers: list[list[int]] = [[kept[0]]]
        for item in kept[1:]:
            if draw(st.booleans()):
                tiers.append([item])
            else:
                tiers[-1].append(item)
        return tuple(map(tuple, tiers))

    return build()


@st.composite
def contents(draw: Callable[..., Any]) -> Export:
    """A whole data set, its clips with their arrays."""
    content = Export("toy", ENV)
    queries = [draw(questions(i)) for i in range(draw(st.integers(1, 5)))]
    content.queries = [query_row(query) for query in queries]
    items = {item.id: item for query in queries for item in query.items}
    content.segments = [item for item in items.values() if isinstance(item, Segment)]
    content.items = [
        {"id": item.id, "kind": item.kind, "data": to_json(item_data(item)), "pack": None, "arrays": None}
        for item in items.values()
    ]
    given: dict[tuple[str, ...], Preference] = {}
    for _ in range(draw(st.integers(0, 6))):
        query = draw(st.sampled_from(queries))
        who = {"source": draw(names), "annotator": draw(names), "revision": draw(st.integers(0, 2))}
        details = {
            "group": draw(names), "strength": draw(st.none() | numbers), "seconds": draw(st.none() | st.floats(0, 1e6)),
            "rationale": draw(st.builds(Rationale, st.none() | words, st.none() | st.just((1, 2)), st.none() | words)),
            "shown_order": draw(st.none() | st.permutations(range(len(query.items))).map(tuple)), "created": draw(st.floats(1, 2e9)),
        }  # fmt: skip
        preference = Preference.of(query, draw(answers(query)), **who, **details)
        given.setdefault((query.id, who["source"], who["annotator"], str(who["revision"])), preference)
    content.preferences = list(given.values())
    return content


# --- what must come back ---------------------------------------------------------------------------------------------

_numbers = itertools.count()


@dataclass
class Trip:
    """A generated data set in a store, and room for what comes back."""

    store: Store
    folder: Path
    data: DataSet

    @staticmethod
    def of(store: Store, folder: Path, content: Export) -> Trip:
        data = store.data_set(f"original {next(_numbers)}", ENV)
        data.absorb(content)
        return Trip(store, folder, data)

    def through(self, form: str) -> tuple[DataSet, Counter[str]]:
        """(copy, what was said to be lost)."""
        path = self.folder / f"{next(_numbers)}"
        if form == "jsonl":
            self.data.export(path)
            copy = self.store.data_set(f"copy {path.name}", ENV)
            copy.import_(path)
            return copy, Counter()
        lost = FORMS[form].write(self.data, path)
        content = FORMS[form].read(path, ENV)
        copy = self.store.data_set(f"copy {path.name}", content.env)
        copy.absorb(content)
        assert copy.absorb(content).preferences == 0  # the same again changes nothing
        return copy, lost


def check(trip: Trip, form: str) -> None:
    """The copy is equal, but for what the form declares to lose."""
    copy, lost = trip.through(form)
    if form == "d4rl":
        return check_triple(trip.data, copy, lost)
    before, after = trip.data.content(), copy.content()
    assert after.env == before.env
    assert sorted(after.items, key=lambda row: row["id"]) == sorted(before.items, key=lambda row: row["id"])
    assert after.queries == before.queries
    if lost:  # halves of surrogates in a reason
        assert form in ("parquet", "lerobot")
        assert sum(lost.values()) > 0
        before.preferences = [mended(preference) for preference in before.preferences]
    assert after.preferences == before.preferences
    assert copy.open_queries() == trip.data.open_queries()
    if form == "lerobot":
        held = [row["id"] for row in before.items]
        for one, other in zip(trip.data.items(held).values(), copy.items(held).values(), strict=True):
            if isinstance(one, Segment):
                assert isinstance(other, Segment)
                assert other.true_reward is None
                np.testing.assert_array_equal(one.obs, other.obs)
                np.testing.assert_array_equal(one.action, other.action)
                assert (one.obs.dtype, one.action.dtype, one.start) == (
                    other.obs.dtype,
                    other.action.dtype,
                    other.start,
                )
    return None


def mended(preference: Preference) -> Preference:
    reason = preference.rationale
    said = {name: None if text is None else text.encode("utf-8", "replace").decode() for name, text in
            (("factor", reason.factor), ("text", reason.text))}  # fmt: skip
    return replace(preference, rationale=replace(reason, **said))


def check_triple(data: DataSet, copy: DataSet, lost: Counter[str]) -> None:
    """Orders of two clips of the commonest length come back, and every other current answer was counted."""

    def orders(of: DataSet) -> list[tuple[str, ...]]:
        current = [preference for _, preference in of.current()]
        asked = of.queries(preference.query_id for preference in current)
        found = []
        for preference in current:
            items = asked[preference.query_id].items
            if not (
                isinstance(preference.answer, Tiers) and len(items) == 2 and all(isinstance(i, Segment) for i in items)
            ):
                continue
            ties = [tuple(sorted(tier)) for tier in preference.answer.tiers]
            lengths = {len(item) for item in items if isinstance(item, Segment)}
            if tuple(ties) in ORDERS.values() and len(lengths) == 1:
                found.append((*(item.id for item in items), json.dumps(ties), str(lengths.pop())))
        commonest = Counter(one[-1] for one in found).most_common(1)
        return [one for one in found if one[-1] == commonest[0][0]]

    assert orders(copy) == orders(data)
    assert len(orders(copy)) + sum(lost.values()) == len(data.current())
