"""Durable data sets: queries, items and preferences go in, from any process, and come out in one order.

    database     one SQLAlchemy engine: SQLite (WAL, full sync) by default, Postgres by URL; errors as sentences
    schema       its tables; migrations/ holds the Alembic revisions that make them
    packs        arrays of items in content-addressed files beside the database
    records      rows and JSON <-> the records of `prefrl.types`
    items        items of a data set: written once, verified on every read
    data_set     one data set: add and read queries and preferences
    sessions     who may answer what at present: annotators and leases
    exchange     JSONL out and in
    trl          answers about texts, as lines of Hugging Face's TRL
    opening      `open_store` and the list of data sets

A preference is on disk before `DataSet.add` returns. Nothing is ever overwritten: a changed mind is a new revision.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefrl.store.data_set import DataSet as DataSet
    from prefrl.store.exchange import Imported as Imported
    from prefrl.store.exchange import read_export as read_export
    from prefrl.store.opening import DataSetSummary as DataSetSummary
    from prefrl.store.opening import Store as Store
    from prefrl.store.opening import open_store as open_store
    from prefrl.store.sessions import Clip as Clip

_HOMES = {
    "Clip": "sessions",
    "DataSet": "data_set",
    "DataSetSummary": "opening",
    "Imported": "exchange",
    "Store": "opening",
    "open_store": "opening",
    "read_export": "exchange",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Load public names when they are first used: SQLAlchemy is not needed to print a help text."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
