"""A URL and a folder in, an open store out: the list of data sets and who may answer."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa

from prefrl.errors import DataError, choices
from prefrl.store import schema, sessions
from prefrl.store.data_set import DataSet
from prefrl.store.database import Database, parse_url
from prefrl.store.exchange import refuse_other_env
from prefrl.store.packs import Packs
from prefrl.store.records import env_of, env_record, to_json
from prefrl.types import EnvInfo

_D = schema.data_set


@dataclass(frozen=True, slots=True)
class DataSetSummary:
    """One line of a list of data sets."""

    name: str
    env_id: str
    queries: int
    preferences: int  # revisions and skips included
    created: float  # Unix time


def open_store(url: str | None, folder: Path) -> Store:
    """Open, create or upgrade a store.

    Without `url` it is the SQLite file `folder`/prefrl.sqlite. Item arrays lie beside the SQLite file in a folder of
    its name ending in .items; for other databases in `folder`/prefrl.items, which all its users must then share.
    Raises `ConfigError` for a URL that is none or a network file system, `DataError` for a store newer than this code,
    `RunError` if disk or server refuse, `EnvironmentMissing` without the database's driver.
    """
    parsed = parse_url(url if url is not None else f"sqlite:///{folder / 'prefrl.sqlite'}")
    database = Database(parsed)
    items = Path(str(parsed.database)).with_suffix(".items") if database.sqlite else folder / "prefrl.items"
    return Store(database, Packs(items))


class Store:
    """Data sets by name, and the people who answer. Close it, or use it as a context manager."""

    def __init__(self, database: Database, packs: Packs) -> None:
        self._database = database
        self._packs = packs

    def data_set(self, name: str, env: EnvInfo | None = None) -> DataSet:
        """The data set `name`; created if `env` is given and there is none.

        Raises `DataError` if there is none and no `env`, or if it is about another environment than `env`.
        """
        with self._database.read() as connection:
            row = connection.execute(sa.select(_D).where(_D.c.name == name)).first()
        if row is None:
            if env is None:
                names = [one.name for one in self.data_sets()]
                raise DataError(f"The store {self._database.shown} has no data set '{name}'. {choices(name, names)}")
            row = self._create(name, env)
        known = env_of(json.loads(row.env))
        if env is not None:
            refuse_other_env(env, known, f"Data set '{name}'")
        return DataSet(self._database, self._packs, row.id, name, known)

    def _create(self, name: str, env: EnvInfo) -> sa.Row[tuple[int, str, str, float, int, int]]:
        find = sa.select(_D).where(_D.c.name == name)
        values = {"name": name, "env": to_json(env_record(env)), "created": time.time()}
        with self._database.write() as connection:
            self._database.lock_table(connection, "data_set")
            if connection.execute(find).first() is None:  # another process may have been faster
                connection.execute(_D.insert(), values)
            return connection.execute(find).one()

    def data_sets(self) -> list[DataSetSummary]:
        """All data sets by name."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(_D).order_by(_D.c.name)).all()
        return [DataSetSummary(row.name, json.loads(row.env)["id"], row.queries, row.head, row.created) for row in rows]

    def add_annotator(self, name: str) -> str:
        """A fresh token for a new annotator, shown this once. Raises `DataError` if the name is taken."""
        with self._database.write() as connection:
            self._database.lock_table(connection, "annotator")
            return sessions.add_annotator(connection, name)

    def annotator(self, token: str) -> str | None:
        """Whose token it is; None if nobody's or revoked."""
        with self._database.read() as connection:
            return sessions.annotator_of(connection, token)

    def renew_token(self, name: str) -> str:
        """Another token for an annotator; the one they had is no longer theirs. Raises `DataError` for an unknown name."""
        with self._database.write() as connection:
            return sessions.renew_token(connection, name)

    def annotators(self) -> list[str]:
        """Names of those who have a token that was not revoked."""
        with self._database.read() as connection:
            return sessions.annotators(connection)

    def revoke(self, name: str) -> None:
        """End an annotator's token; their answers stay. Raises `DataError` for an unknown name."""
        with self._database.write() as connection:
            sessions.revoke(connection, name)

    def close(self) -> None:
        """Give the connections back; everything added is on disk already."""
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
