"""One connection pool to a store: transactions in, durable rows out; what the machine refuses becomes one sentence."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, make_url

from prefrl.errors import ConfigError, CorruptStore, DataError, EnvironmentMissing, PrefrlError, RunError
from prefrl.store.migrations.versions import HEAD

BUSY_SECONDS = 30  # how long a writer waits for the others
MIGRATIONS = Path(__file__).with_name("migrations")

# File systems whose locks or shared memory do not reach other machines: SQLite's WAL loses answers there.
NETWORK_FILE_SYSTEMS = frozenset(
    """nfs nfs3 nfs4 cifs smb3 smbfs afs ceph lustre beegfs gpfs glusterfs
    fuse.sshfs fuse.glusterfs fuse.s3fs fuse.rclone fuse.ceph""".split()  # noqa: SIM905
)


class Database:
    """A migrated store's database. Reads see one snapshot; writes are serialised and durable when they return."""

    def __init__(self, url: URL) -> None:
        self.shown = url.render_as_string(hide_password=True)
        self.sqlite = url.get_backend_name() == "sqlite"
        self._engine = self._make_engine(url)
        self._writer = self._engine.execution_options(writes=True)
        # Postgres' default shows each statement what is new; a read sees one snapshot, as SQLite's does.
        self._reader = (
            self._engine if self.sqlite else self._engine.execution_options(isolation_level="REPEATABLE READ")
        )
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _make_engine(self, url: URL) -> sa.Engine:
        try:
            if not self.sqlite:
                return sa.create_engine(url, pool_pre_ping=True)
            path = Path(str(url.database))
            refuse_network_file_system(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        except OSError as error:
            raise RunError(f"The store {self.shown} cannot be opened: {error.strerror} ({error.filename}).") from error
        except sa.exc.NoSuchModuleError as error:
            raise ConfigError(f"The store {self.shown} names no database known here: {error}.") from error
        except ModuleNotFoundError as error:
            cure = "pip install 'prefrl[postgres]'" if error.name == "psycopg" else "install it"
            raise EnvironmentMissing(
                f"The store {self.shown} needs the Python package '{error.name}': {cure}, or leave store.url empty."
            ) from error
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _prepare(self) -> None:
        """Switch to WAL and bring the schema to the newest revision, also when several processes do so at once."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                with self.read() as connection:
                    revision = _revision(connection)
                break
            except _Busy:  # SQLite does not wait while another connection is switching to WAL
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        if revision != HEAD:
            with self.write() as connection:
                self._migrate(connection)

    def _migrate(self, connection: Connection) -> None:
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        if not self.sqlite:  # two first openers at once would both create the tables
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(5077)"))
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        revision = _revision(connection)
        if revision is not None and revision not in known:
            raise DataError(
                f"The store {self.shown} was written by a newer prefrl (schema {revision}, known here up to"
                f" {max(known)}): upgrade prefrl, or use another store."
            )
        command.upgrade(config, "head")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one snapshot."""
        with self._sentences(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that waits for other writers and is on disk once the block is left."""
        with self._sentences(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            explained = self._explained(error)
            if explained is None:
                raise
            raise explained from error

    def _explained(self, error: sa.exc.DBAPIError) -> PrefrlError | None:
        """What a shortage of the machine means for the user; None for what can only be a bug of ours."""
        words = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else ""
        for fragment, kind, sentence in _SQLITE_SENTENCES if self.sqlite else _POSTGRES_SENTENCES:
            if fragment in words:
                return kind(sentence.format(store=self.shown))
        if not self.sqlite and isinstance(error, sa.exc.OperationalError):
            return RunError(f"The store {self.shown} does not answer: {words.rstrip('.')}.")
        return None

    def lock_table(self, connection: Connection, table: str) -> None:
        """Make other writers of `table` wait for this transaction; SQLite's BEGIN IMMEDIATE has done so already."""
        if not self.sqlite:
            connection.execute(sa.text(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"))

    def check(self) -> list[str]:
        """What SQLite's own integrity check finds wrong; empty when sound (and for other databases)."""
        if not self.sqlite:
            return []
        with self.read() as connection:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    def close(self) -> None:
        self._engine.dispose()


class _Busy(RunError):
    """Another process kept the store locked for too long."""


_KEPT = "every answer acknowledged so far is safe"
_SQLITE_SENTENCES: tuple[tuple[str, Callable[[str], PrefrlError], str], ...] = (
    ("disk is full", RunError, f"The disk of the store {{store}} is full ({_KEPT}): free some space, then go on."),
    ("readonly", RunError, f"The store {{store}} is read-only ({_KEPT}): make it writable or name another store."),
    ("unable to open", RunError, "The store {store} cannot be opened: check that its folder exists and is writable."),
    ("disk I/O error", RunError, f"The disk of the store {{store}} reports an error ({_KEPT}): check the disk."),
    ("locked", _Busy, f"Another process kept the store {{store}} locked for {BUSY_SECONDS} s ({_KEPT}): try again."),
    ("malformed", CorruptStore, "The store {store} is damaged: restore it from a backup or name another store."),
    ("not a database", CorruptStore, "{store} is not a store of prefrl: name another file."),
)

_POSTGRES_SENTENCES: tuple[tuple[str, Callable[[str], PrefrlError], str], ...] = (
    (
        "read-only transaction",
        RunError,
        f"The store {{store}} is read-only ({_KEPT}): make it writable or name another store.",
    ),
    ("No space left", RunError, f"The disk of the store {{store}} is full ({_KEPT}): free some space, then go on."),
    (
        "permission denied",
        RunError,
        "The store {store} refuses its user a table: ask its owner for the right to write.",
    ),
    ("NUL", DataError, "The store {store} cannot hold the character NUL in a name: leave it out."),
)


def parse_url(url: str) -> URL:
    """An SQLAlchemy URL of a durable database."""
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError(
            f"The store URL '{url}' cannot be read: write sqlite:///path/to/file.sqlite or postgresql://user@host/name."
        ) from error
    if parsed.drivername == "postgresql":  # SQLAlchemy's default driver for it is one that nobody should install today
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigError(
            f"The store URL '{url}' names no file, and answers must survive: write sqlite:///path/to/file.sqlite."
        )
    return parsed


def refuse_network_file_system(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> None:
    """Raise `ConfigError` if `path` lies on a network file system (known on Linux only, from its list of mounts)."""
    if not mounts.exists():
        return
    best, kind = "", ""
    target = str(path.resolve())
    for line in mounts.read_text().splitlines():
        before, _, after = line.partition(" - ")
        point = before.split()[4].encode().decode("unicode_escape")  # octal escapes of blanks
        if len(point) >= len(best) and Path(target).is_relative_to(point):
            best, kind = point, after.split()[0]
    if kind in NETWORK_FILE_SYSTEMS:
        raise ConfigError(
            f"The store {path} lies on a network file system ({kind}), where SQLite can lose answers: put it on a"
            " local disk, or use store.url: postgresql://user@host/name."
        )


def _configure_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _begin_sqlite
    for setting in (f"busy_timeout={BUSY_SECONDS * 1000}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
