"""Items of one data set: written once, read in bulk, verified on every read, with channels left out where asked."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from prefrl.errors import CorruptStore, DataError
from prefrl.store import schema
from prefrl.store.database import Database
from prefrl.store.packs import Packs, Place
from prefrl.store.records import Record, item_data, segment_arrays, segment_of, to_json
from prefrl.types import Array, Candidate, Item, Segment, Text

_T = schema.item
_CHUNK = 500  # ids per statement: databases limit the number of parameters


def chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """Distinct ids in their order, few enough at a time for one statement."""
    distinct = list(dict.fromkeys(ids))
    for first in range(0, len(distinct), _CHUNK):
        yield distinct[first : first + _CHUNK]


class Items:
    """The items of the data set numbered `data_set`, called `name` in errors."""

    def __init__(self, database: Database, packs: Packs, data_set: int, name: str) -> None:
        self._database = database
        self._packs = packs
        self._data_set = data_set
        self._name = name

    def stage(self, items: Iterable[Item]) -> list[Record]:
        """Write the arrays of items that are not stored yet; rows for `insert`. All new arrays share one file."""
        found = {item.id: item for item in _with_clips(items)}
        with self._database.read() as connection:
            complete = {key for key, whole in self.known(connection, found) if whole}
        fresh = [item for key, item in found.items() if key not in complete]
        segments = [item for item in fresh if isinstance(item, Segment)]
        stored: dict[str, Record] = {}
        if segments:
            pack, places = self._packs.write(segment_arrays(segment) for segment in segments)
            for segment, place in zip(segments, places, strict=True):
                stored[segment.id] = {"pack": pack, "arrays": to_json(place)}
        return [
            {"id": item.id, "kind": item.kind, "data": to_json(item_data(item)), "pack": None, "arrays": None}
            | stored.get(item.id, {})
            for item in fresh
        ]

    def insert(self, connection: Connection, rows: Sequence[Record]) -> None:
        """Add rows inside a write; an item known by id only (imported) receives its arrays."""
        known = dict(self.known(connection, (row["id"] for row in rows)))
        new = [row | {"data_set": self._data_set} for row in rows if row["id"] not in known]
        if new:
            connection.execute(_T.insert(), new)
        for row in rows:
            if known.get(row["id"]) is False and row["pack"] is not None:
                where = (_T.c.data_set == self._data_set) & (_T.c.id == row["id"])
                connection.execute(_T.update().where(where).values(row))

    def load(self, ids: Iterable[str], without: Collection[str] = ()) -> dict[str, Item]:
        """Items by id. `without` names channels ("true_reward", "factors", "factors/height", ...) not to read."""
        rows = self._rows(ids)
        clips = [json.loads(row["data"])["clip"] for row in rows.values() if row["kind"] == "candidate"]
        rows |= self._rows(clip for clip in clips if clip is not None and clip not in rows)
        arrays = self._arrays([row for row in rows.values() if row["kind"] == "segment"], without)
        items: dict[str, Item] = {}
        for row in sorted(rows.values(), key=lambda row: row["kind"] == "candidate"):  # clips before who shows them
            data = json.loads(row["data"])
            match row["kind"]:
                case "segment":
                    items[row["id"]] = segment_of(row["id"], data, arrays[row["id"]])
                case "text":
                    items[row["id"]] = Text(**data)
                case _:
                    clip = items.get(data.pop("clip"))
                    items[row["id"]] = Candidate(**data, clip=clip if isinstance(clip, Segment) else None)
        return items

    def verify(self) -> Iterator[str]:
        """Re-hash every stored array; one sentence per item that fails."""
        with self._database.read() as connection:
            stored = sa.select(_T.c.id).where(self._mine, _T.c.pack.is_not(None))
            keys = list(connection.scalars(stored.order_by(_T.c.id)))
        for key in keys:
            try:
                self.load([key])
            except CorruptStore as error:
                yield str(error)

    def known(self, connection: Connection, ids: Iterable[str]) -> Iterator[tuple[str, bool]]:
        """(id, whether nothing of it is missing) of those that have a row."""
        for chunk in chunks(ids):
            columns = sa.select(_T.c.id, _T.c.pack, _T.c.kind).where(self._mine, _T.c.id.in_(chunk))
            for key, pack, kind in connection.execute(columns):
                yield key, pack is not None or kind != "segment"

    @property
    def _mine(self) -> sa.ColumnElement[bool]:
        return _T.c.data_set == self._data_set

    def _rows(self, ids: Iterable[str]) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        wanted: list[str] = []
        with self._database.read() as connection:
            for chunk in chunks(ids):
                wanted += chunk
                for row in connection.execute(sa.select(_T).where(self._mine, _T.c.id.in_(chunk))).mappings():
                    rows[row["id"]] = row
        for key in wanted:
            if key not in rows:
                raise DataError(f"Data set '{self._name}' has no item {key}.")
            if rows[key]["kind"] == "segment" and rows[key]["pack"] is None:
                raise DataError(
                    f"Data set '{self._name}' knows item {key} by its id only, because an export holds no arrays:"
                    " use the data set it was exported from."
                )
        return rows

    def _arrays(self, rows: Sequence[Any], without: Collection[str]) -> dict[str, dict[str, Array]]:
        """Channels of each item, read file by file in the order they lie there."""
        packs: dict[str, list[tuple[str, str, Place]]] = defaultdict(list)
        arrays: dict[str, dict[str, Array]] = {row["id"]: {} for row in rows}
        for row in rows:
            for channel, place in json.loads(row["arrays"]).items():
                if channel not in without and channel.partition("/")[0] not in without:
                    packs[row["pack"]].append((row["id"], channel, place))
        for pack, wanted in packs.items():
            for key, channel, array in self._packs.read(pack, sorted(wanted, key=lambda one: one[2][0])):
                arrays[key][channel] = array
        return arrays


def _with_clips(items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        if isinstance(item, Candidate) and item.clip is not None:
            yield item.clip
        yield item
