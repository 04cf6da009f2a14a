"""One data set: queries and preferences in, from any number of processes; the same records out in one order."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from prefrl.errors import DataError
from prefrl.store import exchange, schema, sessions
from prefrl.store.database import Database
from prefrl.store.items import Items, chunks
from prefrl.store.packs import Packs
from prefrl.store.records import Record, preference_of_row, preference_row, query_row
from prefrl.types import EnvInfo, Item, Preference, Query

_D, _Q, _P, _L = schema.data_set, schema.query, schema.preference, schema.lease
_PREFERENCE_COLUMNS = [column for column in _P.c if column.name not in ("data_set", "position")]

# Statements of the answer's path, built once; every one is a look-up in an index.
_LOCK = sa.select(_D.c.head, _D.c.queries).where(_D.c.id == sa.bindparam("ds")).with_for_update()
_BY_ID = sa.select(_P).where(_P.c.data_set == sa.bindparam("ds"), _P.c.id == sa.bindparam("key"))
_ANSWERS = sa.select(_Q.c.answers).where(_Q.c.data_set == sa.bindparam("ds"), _Q.c.id == sa.bindparam("asked"))
_REVISIONS = sa.select(_P.c.revision).where(
    _P.c.data_set == sa.bindparam("ds"),
    _P.c.query_id == sa.bindparam("asked"),
    _P.c.source == sa.bindparam("by"),
    _P.c.annotator == sa.bindparam("who"),
)
_SET_HEAD = _D.update().where(_D.c.id == sa.bindparam("ds")).values(head=sa.bindparam("last"))
_SET_ANSWERS = (
    _Q.update()
    .where(_Q.c.data_set == sa.bindparam("ds"), _Q.c.id == sa.bindparam("asked"))
    .values(answers=sa.bindparam("count"))
)
_END_LEASE = _L.delete().where(
    _L.c.data_set == sa.bindparam("ds"),
    _L.c.query_id == sa.bindparam("asked"),
    _L.c.annotator == sa.bindparam("who"),
)


class DataSet:
    """A named set of items, queries and preferences about one environment. Made by `Store.data_set`.

    Positions 1, 2, ... number the preferences in the order in which they became durable, whoever wrote them.
    """

    def __init__(self, database: Database, packs: Packs, number: int, name: str, env: EnvInfo) -> None:
        self.name = name
        self.env = env
        self._database = database
        self._number = number
        self._items = Items(database, packs, number, name)

    # --- writing ---

    def add_queries(self, queries: Iterable[Query], expires: float | None = None) -> None:
        """Store queries and their items; those that are there already stay as they are.

        Open queries stay open until they are answered or, where given, until the Unix time `expires`.
        Raises `DataError` if a stored query of the same id asks something else.
        """
        asked = list(queries)
        rows = [query_row(query) | {"expires": expires} for query in asked]
        items = self._items.stage(item for query in asked for item in query.items)
        with self._database.write() as connection:
            self._lock(connection)
            self._items.insert(connection, items)
            self._insert_queries(connection, rows)

    def add(self, preference: Preference) -> int:
        """Append one answer; its position. The answer is on disk when this returns.

        The same answer again gives the position it has (when it was given and how long it took do not count, so that
        a redone round and a repeated request are harmless). Raises `DataError` if the id, or the revision of this
        source and annotator, holds another answer, or if no such query was stored.
        """
        row = preference_row(preference)
        with self._database.write() as connection:
            head = self._lock(connection)[0]
            position = self._append(connection, row, head)
            if position > head:
                connection.execute(_SET_HEAD, {"ds": self._number, "last": position})
        return position

    def _lock(self, connection: Connection) -> tuple[int, int]:
        """(last position, last query number); on Postgres this makes writers of the data set wait for one another."""
        head, queries = connection.execute(_LOCK, {"ds": self._number}).one()
        return head, queries

    def _append(self, connection: Connection, row: Record, head: int) -> int:
        """Insert a preference after position `head`, unless it is there: its position."""
        stored = connection.execute(_BY_ID, {"ds": self._number, "key": row["id"]}).mappings().first()
        if stored is not None:
            _refuse_other_answer(dict(stored), row)
            return int(stored["position"])
        key = {"ds": self._number, "asked": row["query_id"]}
        answers = connection.execute(_ANSWERS, key).scalar()
        if answers is None:
            raise DataError(f"Data set '{self.name}' has no query {row['query_id']} for preference {row['id']}.")
        who = key | {"by": row["source"], "who": row["annotator"]}
        revisions = set(connection.scalars(_REVISIONS, who))
        if row["revision"] in revisions:
            raise DataError(
                f"Revision {row['revision']} of {row['source']} ({row['annotator']}) for query {row['query_id']} is"
                " stored under another id: a changed mind is a new revision."
            )
        connection.execute(_P.insert(), row | {"data_set": self._number, "position": head + 1})
        if not revisions:
            connection.execute(_SET_ANSWERS, key | {"count": answers + 1})
        connection.execute(_END_LEASE, key | {"who": row["annotator"]})
        return head + 1

    def _insert_queries(self, connection: Connection, rows: Iterable[Record]) -> None:
        by_id = {row["id"]: row for row in rows}
        for chunk in chunks(by_id):
            for stored in connection.execute(self._select(_Q).where(_Q.c.id.in_(chunk))).mappings():
                row = by_id.pop(stored["id"])
                if any(stored[name] != row[name] for name in ("kind", "question", "items")):
                    raise DataError(f"Query {row['id']} of data set '{self.name}' asks something else.")
        count = self._lock(connection)[1]
        new = [row | {"data_set": self._number, "number": count + i} for i, row in enumerate(by_id.values(), 1)]
        if new:
            connection.execute(_Q.insert(), new)
            connection.execute(_D.update().where(_D.c.id == self._number).values(queries=count + len(new)))

    # --- reading ---

    def preferences(self, after: int = 0) -> list[tuple[int, Preference]]:
        """(position, preference) of every revision after position `after`, in the order of positions."""
        return self._read_preferences(_P.c.position > after)

    def current(self, query_ids: Iterable[str] | None = None) -> list[tuple[int, Preference]]:
        """(position, preference) of the latest revision per query, source and annotator, in the order of positions.

        With `query_ids` only of these queries, at a cost that does not grow with the data set.
        """
        later = _P.alias()
        same = [later.c[name] == _P.c[name] for name in ("data_set", "query_id", "source", "annotator")]
        latest = ~sa.exists().where(*same, later.c.revision > _P.c.revision)
        if query_ids is None:
            return self._read_preferences(latest)
        found: list[tuple[int, Preference]] = []
        for chunk in chunks(query_ids):
            found += self._read_preferences(latest & _P.c.query_id.in_(chunk))
        return sorted(found, key=lambda one: one[0])

    def _read_preferences(self, where: sa.ColumnElement[bool]) -> list[tuple[int, Preference]]:
        columns = sa.select(_P.c.position, *_PREFERENCE_COLUMNS).where(_P.c.data_set == self._number, where)
        with self._database.read() as connection:
            rows = [dict(row) for row in connection.execute(columns.order_by(_P.c.position)).mappings()]
        return [(row.pop("position"), preference_of_row(row)) for row in rows]

    def query(self, id: str, without: Collection[str] = ()) -> Query:
        """One query with its items; see `queries`."""
        return self.queries([id], without)[id]

    def queries(self, ids: Iterable[str], without: Collection[str] = ()) -> dict[str, Query]:
        """Queries with their items by id, in the order of `ids`.

        `without` names channels that are then not even read, e.g. ``{"true_reward", "factors", "states"}``.
        Raises `DataError` for an unknown id, `CorruptStore` if stored arrays do not match their hash.
        """
        wanted = list(dict.fromkeys(ids))
        rows: dict[str, Any] = {}
        with self._database.read() as connection:
            for chunk in chunks(wanted):
                rows |= {r["id"]: r for r in connection.execute(self._select(_Q).where(_Q.c.id.in_(chunk))).mappings()}
        if missing := [key for key in wanted if key not in rows]:
            raise DataError(f"Data set '{self.name}' has no query {missing[0]}.")
        members = {key: json.loads(rows[key]["items"]) for key in wanted}
        items = self._items.load((item for key in wanted for item in members[key]), without)
        return {key: _query_of(rows[key], [items[item] for item in members[key]]) for key in wanted}

    def items(self, ids: Iterable[str], without: Collection[str] = ()) -> dict[str, Item]:
        """Items by id; `without` and errors as in `queries`."""
        return self._items.load(ids, without)

    def held(self, ids: Collection[str]) -> list[str]:
        """Those of the items `ids` that are stored whole, not by their id alone."""
        with self._database.read() as connection:
            whole = {key for key, whole in self._items.known(connection, ids) if whole}
        return [key for key in ids if key in whole]

    def open_queries(self, source: str | None = None) -> list[str]:
        """Ids of unexpired queries that nobody, or not `source`, has answered or skipped, in the order they were added.

        Without `source` the cost grows with what is open only; with it, with the number of queries.
        """
        if source is None:
            unanswered: sa.ColumnElement[bool] = _Q.c.answers == 0
        else:
            same = (_P.c.data_set == _Q.c.data_set) & (_P.c.query_id == _Q.c.id) & (_P.c.source == source)
            unanswered = ~sa.exists().where(same)
        expired = sa.and_(_Q.c.expires.is_not(None), _Q.c.expires <= time.time())
        columns = sa.select(_Q.c.id).where(_Q.c.data_set == self._number, unanswered, ~expired)
        with self._database.read() as connection:
            return list(connection.scalars(columns.order_by(_Q.c.number)))

    def verify(self) -> list[str]:
        """Check the database and re-hash every stored array: one sentence for each thing wrong, none when sound."""
        return [*self._database.check(), *self._items.verify()]

    def _select(self, table: sa.Table) -> sa.Select[Any]:
        return sa.select(table).where(table.c.data_set == self._number)

    # --- people and clips ---

    def lease(self, annotator: str, seconds: float, overlap: int = 1) -> str | None:
        """Reserve the next query for `annotator`; its id, or None if nothing is left for them.

        Nobody else is given a query that `overlap` people have answered or hold. Asking again gives the query they
        hold and prolongs it; answering it, or `seconds`, ends the lease.
        """
        return next(iter(self.leases(annotator, seconds, overlap)), None)

    def leases(self, annotator: str, seconds: float, overlap: int = 1, n: int = 1) -> list[str]:
        """As `lease`, up to `n` at once, so that what comes next can be made ready; in an order that stays."""
        with self._database.write() as connection:
            self._lock(connection)
            return sessions.lease(connection, self._number, annotator, seconds, overlap, n)

    def admits(self, query_id: str, annotator: str, overlap: int = 1) -> bool:
        """Whether `annotator` may answer it: they were given it (however long ago), answered it before, or it lacks people."""
        with self._database.read() as connection:
            return sessions.admitted(connection, self._number, query_id, annotator, overlap)

    def add_clip(self, clip: sessions.Clip) -> None:
        """Record a rendered file of one stored item; the same clip again changes nothing."""
        with self._database.write() as connection:
            self._lock(connection)
            sessions.add_clip(connection, self._number, clip)

    def clips(self, item_ids: Iterable[str]) -> Mapping[str, list[sessions.Clip]]:
        """Recorded files by item, for the items that have any."""
        with self._database.read() as connection:
            return sessions.clips(connection, self._number, item_ids)

    # --- exchange ---

    def export(self, path: Path) -> None:
        """Write items' ids, queries and all preferences as JSON lines; see `prefrl.store.exchange` for their form."""
        with self._database.read() as connection:
            exchange.write_export(path, self._exported(connection))

    def _exported(self, connection: Connection) -> Iterator[exchange.Line]:
        yield exchange.data_set_line(self.name, self.env)
        for table, order in ((schema.item, "id"), (_Q, "number"), (_P, "position")):
            rows = connection.execution_options(yield_per=1000).execute(self._select(table).order_by(table.c[order]))
            for row in rows.mappings():
                yield exchange.line_of_row(table.name, dict(row))

    def import_(self, path: Path) -> exchange.Imported:
        """Add what `export` wrote, all of it or nothing; what is there already stays as it is.

        Raises `DataError` for another environment, a newer schema, a damaged line or an answer that contradicts.
        """
        return self.absorb(exchange.read_export(path, self.env))

    def content(self) -> exchange.Export:
        """Everything `export` writes, as records; one snapshot."""
        content = exchange.Export(self.name, self.env)
        with self._database.read() as connection:
            lines = self._exported(connection)
            next(lines)  # the data set's own
            for line in lines:
                exchange.take_line(content, line)
        return content

    def absorb(self, content: exchange.Export) -> exchange.Imported:
        """Add what `content` holds, all of it or nothing; errors as of `import_`."""
        exchange.refuse_other_env(self.env, content.env, f"What is imported into data set '{self.name}'")
        whole = self._items.stage(content.segments)
        with self._database.write() as connection:
            first, before = self._lock(connection)
            head = first
            self._items.insert(connection, whole)
            self._items.insert(connection, content.items)
            self._insert_queries(connection, [row | {"expires": None} for row in content.queries])
            for preference in content.preferences:
                head = max(head, self._append(connection, preference_row(preference), head))
            connection.execute(_SET_HEAD, {"ds": self._number, "last": head})
            return exchange.Imported(queries=self._lock(connection)[1] - before, preferences=head - first)


def _query_of(row: Mapping[str, Any], items: Iterable[Item]) -> Query:
    return Query(row["id"], tuple(items), row["kind"], row["question"], row["why"], row["round"])


def _refuse_other_answer(stored: Mapping[str, Any], row: Record) -> None:
    """A retry may differ in when it was made, in nothing else."""
    other = [name for name in row if name not in ("seconds", "created") and stored[name] != row[name]]
    if other:
        raise DataError(
            f"Preference {row['id']} is stored with another {' and '.join(other)}: answers are never overwritten,"
            " a changed mind is a new revision."
        )
