"""A data set in, three tables of plain columns out (items, queries, preferences); and back.

A cell is text, a whole number, a number or nothing; answers and other nested values are text in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from prefrl.store.exchange import Export, damage_named, take_line
from prefrl.store.records import Record, preference_record, to_json
from prefrl.types import Preference

Cell = str | int | float | None
Row = dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name, what its cells are, and whether they may be empty."""

    name: str
    kind: Literal["text", "json", "integer", "number"] = "text"
    empty: bool = False


TABLES: Mapping[str, tuple[Column, ...]] = {
    "items": (Column("id"), Column("kind"), Column("data", "json")),
    "queries": (
        Column("id"), Column("kind"), Column("question"), Column("why"), Column("round", "integer"), Column("items", "json"),
    ),
    "preferences": (
        Column("id"), Column("query_id"), Column("source"), Column("annotator"), Column("revision", "integer"),
        Column("outcome"), Column("answer", "json", True), Column("group"), Column("strength", "number", True),
        Column("rationale_factor", "text", True), Column("rationale_window", "json", True),
        Column("rationale_text", "text", True), Column("shown_order", "json", True), Column("seconds", "number", True),
        Column("created", "number"),
    ),
}  # fmt: skip
_RATIONALE = "rationale_"


def rows_of(content: Export) -> dict[str, list[Row]]:
    """Rows by table, in the order in which they are numbered."""
    return {
        "items": [{"id": row["id"], "kind": row["kind"], "data": row["data"]} for row in content.items],
        "queries": [{column.name: row[column.name] for column in TABLES["queries"]} for row in content.queries],
        "preferences": [_row(preference) for preference in content.preferences],
    }


def _row(preference: Preference) -> Row:
    record = preference_record(preference)
    rationale = record.pop("rationale") or {}
    record |= {f"{_RATIONALE}{name}": rationale.get(name) for name in ("factor", "window", "text")}
    return {column.name: _cell(record[column.name], column) for column in TABLES["preferences"]}


def _cell(value: object, column: Column) -> Cell:
    if value is None:
        return None
    match column.kind:
        case "json":
            return to_json(value)
        case "number":
            return float(value)  # type: ignore[arg-type]
        case "integer":
            return int(value)  # type: ignore[call-overload, no-any-return]
        case _:
            return str(value)


def take_rows(content: Export, table: str, rows: Iterable[Row], where: str) -> None:
    """Add the records of `table` to `content`; a damaged row is a `DataError` that names `where` and its number."""
    for number, row in enumerate(rows, 1):
        with damage_named(f"{where}:{number}"):
            take_line(content, {"type": _TYPES[table], **_record(row, table)})


_TYPES = {"items": "item", "queries": "query", "preferences": "preference"}


def _record(row: Row, table: str) -> Record:
    record: Record = {}
    for column in TABLES[table]:
        value = row[column.name]
        if value is None and not column.empty:
            raise ValueError(f"{column.name} is empty")
        record[column.name] = json.loads(str(value)) if column.kind == "json" and value is not None else value
    rationale = {name: record.pop(name) for name in list(record) if name.startswith(_RATIONALE)}
    if rationale:
        given = {name.removeprefix(_RATIONALE): value for name, value in rationale.items() if value is not None}
        record["rationale"] = given or None
    return record
