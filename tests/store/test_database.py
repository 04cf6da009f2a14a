"""Stores open safely: current, migrated, or refused in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from prefrl.errors import ConfigError, CorruptStore, DataError, EnvironmentMissing, RunError
from prefrl.store import Store, open_store
from prefrl.store.database import MIGRATIONS, refuse_network_file_system
from prefrl.store.migrations.versions import HEAD
from prefrl.store.schema import metadata
from prefrl.types import EnvInfo

only_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
only_postgres = pytest.mark.parametrize(
    "url", [pytest.param("postgres", marks=pytest.mark.needs("postgres"))], indirect=True
)


def test_the_newest_revision_makes_exactly_the_tables_of_the_schema(store: Store) -> None:
    engine = sa.create_engine(store._database._engine.url)
    with engine.connect() as connection:
        differences = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_server_default": True}), metadata
        )
        unique = {name: sa.inspect(connection).get_unique_constraints(name) for name in metadata.tables}
    engine.dispose()
    assert differences == []
    assert {one["name"] for one in unique["preference"]} == {
        constraint.name
        for constraint in metadata.tables["preference"].constraints
        if isinstance(constraint, sa.UniqueConstraint)
    }


def test_head_is_alembics_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


@only_sqlite
def test_connections_are_durable(store: Store) -> None:
    with store._database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_newer_store_is_refused(store: Store, reopen: Callable[[], Store]) -> None:
    engine = sa.create_engine(store._database._engine.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num='9000'")
    engine.dispose()
    with pytest.raises(DataError, match=r"newer prefrl \(schema 9000, known here up to 0001\): upgrade prefrl"):
        reopen()


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prefrl.sqlite").write_text("dear diary " * 200)
    with pytest.raises(CorruptStore, match="is not a store of prefrl"):
        open_store(None, tmp_path)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be opened"):
        open_store(None, tmp_path / "file" / "runs")


def test_a_read_only_store_is_one_sentence(store: Store, env: EnvInfo) -> None:
    refuse = "PRAGMA query_only=ON" if store._database.sqlite else "SET default_transaction_read_only = on"

    def take_away(raw: Any, *_: Any) -> None:
        raw.execute(refuse)
        raw.commit()

    sa.event.listen(store._database._engine, "checkout", take_away)
    with pytest.raises(RunError, match=r"is read-only .*safe.*: make it writable or name another store"):
        store.data_set("toy", env)


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("nonsense", ConfigError, "cannot be read: write sqlite"),
        ("sqlite://", ConfigError, "names no file"),
        ("oracel://host/x", ConfigError, "no database known here"),
        ("postgresql+pg8000://user:hush@host/x", EnvironmentMissing, "needs the Python package 'pg8000'"),
        ("postgresql://user:hush@localhost:1/x", RunError, r"The store .*@localhost:1/x does not answer: .*refused"),
    ],
)
def test_urls_that_cannot_serve(tmp_path: Path, url: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        open_store(url, tmp_path)
    assert "hush" not in str(caught.value)


def test_a_url_puts_database_and_items_side_by_side(tmp_path: Path, env: EnvInfo) -> None:
    with open_store(f"sqlite:///{tmp_path / 'team' / 'answers.sqlite'}", tmp_path / "runs") as store:
        assert store._packs.folder == tmp_path / "team" / "answers.items"
    assert not (tmp_path / "runs").exists()


def test_network_file_systems_are_refused(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 254:0 / / rw - ext4 /dev/vda rw\n"
        "23 22 0:50 / /home\\040of/team rw shared:1 - nfs4 server:/export rw\n"
        "24 23 0:51 / /home\\040of/team/local rw - tmpfs tmpfs rw\n"
    )
    with pytest.raises(ConfigError, match=r"network file system \(nfs4\).*local disk"):
        refuse_network_file_system(Path("/home of/team/runs/prefrl.sqlite"), mounts)
    refuse_network_file_system(Path("/home of/team/local/prefrl.sqlite"), mounts)
    refuse_network_file_system(Path("/home of/teamwork/prefrl.sqlite"), mounts)


# --- Postgres --------------------------------------------------------------------------------------------------------


@only_postgres
def test_a_server_that_goes_away_is_one_sentence_and_comes_back(store: Store, env: EnvInfo, server: Any) -> None:
    data = store.data_set("toy", env)
    lost = pytest.raises(RunError, match=r"^The store postgresql\+psycopg://.* does not answer: .*[^.]\.$")
    with store._database._engine.connect() as other, lost, store._database.write() as connection:
        mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        other.exec_driver_sql(f"SELECT pg_terminate_backend({mine})")
        connection.exec_driver_sql("SELECT 1")
    assert data.preferences() == []


@only_postgres
def test_reads_see_one_snapshot(store: Store, env: EnvInfo, reopen: Callable[[], Store]) -> None:
    count = "SELECT count(*) FROM data_set"
    with store._database.read() as connection:
        before = connection.exec_driver_sql(count).scalar()
        with reopen() as other:
            other.data_set("toy", env)
        assert connection.exec_driver_sql(count).scalar() == before == 0
    with store._database.read() as connection:
        assert connection.exec_driver_sql(count).scalar() == 1


@only_postgres
def test_names_with_a_null_character_are_refused(store: Store, env: EnvInfo) -> None:
    with pytest.raises(DataError, match="cannot hold the character NUL"):
        store.data_set("a\x00b", env)


def test_a_driver_that_is_missing_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        EnvironmentMissing, match=r"needs the Python package 'psycopg': pip install 'prefrl\[postgres\]'"
    ):
        open_store("postgresql://user:hush@host/x", tmp_path)
