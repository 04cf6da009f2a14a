"""Freeze a store of the current schema, with one of every kind of record, and the checksums of all that is in it.

    python tests/store/freeze.py

Writes tests/data/stores/<revision>/: prefrl.sqlite, prefrl.items/ and checksums.json. Run it once, when a revision is about to be
released; `test_upgrades` opens every frozen store with the code of the day. What is frozen is never made again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from prefrl.store import Clip, DataSet, Store, open_store
from prefrl.store.migrations.versions import HEAD
from prefrl.types import (
    Binary,
    Candidate,
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
    array_bytes,
)

FROZEN = Path(__file__).parents[1] / "data" / "stores"
NOON = 1_780_000_000.0  # Unix time of every record that takes one

# --- what is in it ---------------------------------------------------------------------------------------------------

WALK = EnvInfo(
    "Toy-v0", (3,), (2,), max_episode_steps=50, dt=0.05, costs=("energy",), task="walk, naïvely",
    factors={"speed": Factor("speed", "m/s", True, "how fast"), "height": Factor("height", "m", False)},
    observations=("x [m]", "y [m]", "z [m]"), has_states=True,
)  # fmt: skip
POLE = EnvInfo("Pole-v1", (4,), (), discrete_actions=2)


def whole(seed: int) -> Segment:
    """A segment with every channel."""
    rng = np.random.default_rng(seed)
    return Segment.of(
        rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(3, 2)).astype(np.float32),
        true_reward=rng.normal(size=3), policy_action=rng.normal(size=(3, 2)), log_prob=rng.normal(size=3),
        cost={"energy": rng.random(3)}, factors={"speed": rng.normal(size=3), "height": rng.normal(size=3)},
        states=rng.normal(size=(4, 5)), terminated=True, dt=2, env_id="Toy-v0", episode="e1", start=seed,
        extras={"pose": rng.normal(size=(3, 2))},
    )  # fmt: skip


def bare(seed: int) -> Segment:
    """A segment of observations and discrete actions, and nothing else."""
    rng = np.random.default_rng(seed)
    return Segment.of(rng.normal(size=(4, 4)).astype(np.float32), rng.integers(0, 2, 3))


def asked(number: int, items: list[Item], kind: Any, question: str = "reward") -> Query:
    return Query.of("frozen", number, items, kind=kind, question=question, why=f"disagreement 0.{number}")


def fill(store: Store) -> None:
    """Every kind of item, question, answer and person."""
    walk, pole = store.data_set("walk", WALK), store.data_set("pole", POLE)
    clips = [whole(seed) for seed in range(6)]
    program = Candidate("spin", "def reward(obs): return 1.0", clips[4])
    queries = [
        asked(0, clips[:2], "pair"),
        asked(1, clips[:4], "ranking"),
        asked(2, clips[1:4], "choice", "cost:energy"),
        asked(3, clips[2:4], "grade", "grace"),
        asked(4, clips[:1], "binary"),
        asked(5, clips[:3], "similarity", "similar"),
        asked(6, [Text("say", "yes"), Text("say", "nö")], "pair"),
        asked(7, [program, Candidate("rest", "")], "pair"),
        asked(8, [clips[0], clips[5]], "pair"),  # nobody answers it
    ]
    walk.add_queries(queries)
    walk.add_queries([asked(9, clips[3:5], "pair")], expires=NOON + 3600)
    answer(walk, queries)
    pair = asked(0, [bare(7), bare(8)], "pair")
    pole.add_queries([pair])
    pole.add(Preference.of(pair, Tiers(((1,), (0,))), source="oracle", created=NOON))
    walk.add_clip(Clip("clip", clips[0].id, "videos/frozen/clip.mp4", "h264", 256, 256, 20.0, "0" * 64))
    store.add_annotator("ann")
    store.add_annotator("bob")
    store.revoke("bob")
    assert walk.lease("ann", 600.0) is not None
    exchange(store, walk)


def answer(data: DataSet, queries: list[Query]) -> None:
    """Every kind of answer, a skip, a tie, a changed mind and all that may be said beside an answer."""
    said = Rationale("speed", (0, 2), "it falls over")
    given: list[tuple[int, Any, dict[str, Any]]] = [
        (0, Tiers(((0,), (1,))), {"source": "oracle"}),
        (0, Tiers(((1,), (0,))), {"source": "human", "annotator": "ann", "group": "ann", "strength": 0.5}),
        (0, Tiers(((0, 1),)), {"source": "human", "annotator": "ann", "revision": 1, "group": "ann"}),
        (
            1,
            Tiers(((2,), (0, 1))),
            {"source": "human", "shown_order": (3, 1, 0, 2), "seconds": 12.25, "rationale": said},
        ),
        (2, Choice(2), {"source": "heron", "rationale": Rationale(factor="height")}),
        (3, Grades((0.25, -1.0)), {"source": "human"}),
        (4, Binary((1.0,)), {"source": "human"}),
        (5, Triplet(2), {"source": "human"}),
        (6, Tiers(((1,), (0,))), {"source": "human"}),
        (7, None, {"source": "human", "rationale": Rationale(text="too dark to tell")}),
    ]
    for number, values, rest in given:
        data.add(Preference.of(queries[number], values, created=NOON, **rest))


def exchange(store: Store, data: DataSet) -> None:
    """A data set that was imported knows its segments by id only."""
    with tempfile.TemporaryDirectory() as folder:
        data.export(Path(folder) / "walk.jsonl")
        store.data_set("imported", WALK).import_(Path(folder) / "walk.jsonl")


# --- what it must hold for ever --------------------------------------------------------------------------------------


def checksums(database: Path, columns: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """Of every row (over `columns` by table; all there are by default) and of every array of every item."""
    with closing(sqlite3.connect(database)) as connection:
        columns = columns or _columns(connection)
        rows = {table: list(_rows(connection, table, names)) for table, names in columns.items()}
    with open_store(f"sqlite:///{database}", database.parent) as store:
        items = {name: dict(_arrays(store.data_set(name), database)) for name in ("walk", "pole")}
    return {"columns": columns, "rows": rows, "items": items}


def _columns(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Names by table, in a fixed order; Alembic's own table says which schema it is and changes by upgrading."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'alembic_version'")
    tables = sorted(name for (name,) in found)
    return {table: [row[1] for row in connection.execute(f"PRAGMA table_info('{table}')")] for table in tables}


def _rows(connection: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[str]:
    """One checksum per row, in the order of all columns."""
    quoted = ", ".join(f'"{name}"' for name in columns)
    for row in connection.execute(f'SELECT {quoted} FROM "{table}" ORDER BY {quoted}'):
        yield hashlib.sha256(json.dumps(row).encode()).hexdigest()


def _arrays(data: DataSet, database: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Item id -> channel -> checksum, as the store's own reader gives them."""
    with closing(sqlite3.connect(database)) as connection:
        held = "SELECT item.id FROM item JOIN data_set ON data_set.id = item.data_set WHERE data_set.name = ? ORDER BY item.id"
        ids = [key for (key,) in connection.execute(held, [data.name])]
    for key, item in data.items(ids).items():
        channels = {
            name: getattr(item, name, None)
            for name in ("obs", "action", "true_reward", "policy_action", "log_prob", "states")
        }
        for group in ("cost", "factors", "extras"):
            channels |= {f"{group}/{name}": array for name, array in getattr(item, group, {}).items()}
        yield key, {name: hashlib.sha256(array_bytes(a)).hexdigest() for name, a in channels.items() if a is not None}


def main() -> int:
    folder = FROZEN / HEAD
    if folder.exists():
        print(f"{folder} is frozen already, and stays as it is.")
        return 1
    folder.mkdir(parents=True)
    with open_store(None, folder) as store:
        fill(store)
    database = folder / "prefrl.sqlite"
    (folder / "checksums.json").write_text(json.dumps(checksums(database), indent=1) + "\n", encoding="utf-8")
    with closing(sqlite3.connect(database)) as connection:  # one file, without a log beside it
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")
    print(f"frozen: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
