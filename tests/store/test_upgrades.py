"""Stores of every released schema open with today's code, and nothing in them changes; newer ones are refused.

`python tests/store/freeze.py` froze one store per revision under tests/data/stores, with the checksums of all that is in it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from prefrl.cli import main
from prefrl.errors import DataError
from prefrl.store import database, open_store
from prefrl.store.database import MIGRATIONS
from prefrl.store.migrations.versions import HEAD
from prefrl.types import ANSWER_KINDS, Candidate, Preference, Segment, Text

FROZEN = Path(__file__).parents[1] / "data" / "stores"
REVISIONS = sorted(folder.name for folder in FROZEN.iterdir())


@pytest.fixture
def freeze(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("store/freeze.py")


def copied(revision: str, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A frozen store to open, and its checksums."""
    shutil.copytree(FROZEN / revision, tmp_path / "runs")
    return tmp_path / "runs" / "prefrl.sqlite", json.loads((FROZEN / revision / "checksums.json").read_text())


def schema_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


# --- every release has its store -------------------------------------------------------------------------------------


def known_revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return sorted(script.revision for script in ScriptDirectory.from_config(config).walk_revisions())


def test_every_revision_has_a_frozen_store() -> None:
    """If this fails, a revision was added: run `python tests/store/freeze.py` once it is final, and commit what it writes."""
    assert known_revisions() == REVISIONS
    assert [schema_of(FROZEN / revision / "prefrl.sqlite") for revision in REVISIONS] == REVISIONS


def test_a_frozen_store_is_never_made_again(freeze: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    before = (FROZEN / HEAD / "prefrl.sqlite").read_bytes()
    assert freeze.main() == 1
    assert "stays as it is" in capsys.readouterr().out
    assert (FROZEN / HEAD / "prefrl.sqlite").read_bytes() == before


# --- and opens with everything in it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", REVISIONS)
def test_opening_keeps_every_row_and_every_array(revision: str, tmp_path: Path, freeze: ModuleType) -> None:
    path, expected = copied(revision, tmp_path)
    open_store(None, path.parent).close()
    assert schema_of(path) == HEAD
    assert freeze.checksums(path, expected["columns"]) == expected


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_was_frozen_is_read_as_records(revision: str, tmp_path: Path) -> None:
    path, _ = copied(revision, tmp_path)
    with open_store(None, path.parent) as store:
        assert [one.name for one in store.data_sets()] == ["imported", "pole", "walk"]
        data = store.data_set("walk")
        answers = [preference for _, preference in data.preferences()]
        assert {type(one.answer) for one in answers} == {*ANSWER_KINDS.values(), type(None)}
        assert len(data.current()) == len(answers) - 1  # one changed their mind
        queries = data.queries({one.query_id for one in answers})
        assert {query.kind for query in queries.values()} == {
            "pair",
            "ranking",
            "choice",
            "grade",
            "binary",
            "similarity",
        }
        items = [item for query in queries.values() for item in query.items]
        assert {type(item) for item in items} == {Segment, Text, Candidate}
        assert data.verify() == store.data_set("pole").verify() == []
        assert data.clips([item.id for item in items])
        assert len(data.open_queries()) == 1
        new = next(query for query in queries.values() if query.kind == "pair")
        data.add(Preference.of(new, None, source="late"))  # and it goes on
        with pytest.raises(DataError, match="an annotator 'bob' already"):
            store.add_annotator("bob")


# --- the upgrade itself, on a revision that does not exist yet -------------------------------------------------------

NEXT = '''"""A revision of the future."""

from alembic import op
import sqlalchemy as sa

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("data_set", sa.Column("note", sa.Text(), server_default=""))
    {more}
'''


@pytest.fixture
def add_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    def add(more: str) -> str:
        following = f"{int(HEAD) + 1:04d}"
        folder = tmp_path / "migrations"
        shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        text = NEXT.format(revision=following, before=HEAD, more=more)
        (folder / "versions" / f"revision_{following}.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(database, "MIGRATIONS", folder)
        monkeypatch.setattr(database, "HEAD", following)
        return following

    return add


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ("pass", True),
        ("op.execute(\"UPDATE clip SET codec = 'vp9'\")", False),
        ("op.execute('DELETE FROM lease')", False),
        (
            "op.execute('DROP TRIGGER preference_refuses_update'); op.execute('UPDATE preference SET seconds = 1')",
            False,
        ),
    ],
)
def test_a_new_revision_is_applied_and_judged(
    more: str, kept: bool, add_revision: Callable[[str], str], tmp_path: Path, freeze: ModuleType
) -> None:
    path, expected = copied(REVISIONS[-1], tmp_path)
    following = add_revision(more)
    open_store(None, path.parent).close()
    assert schema_of(path) == following
    assert (freeze.checksums(path, expected["columns"]) == expected) is kept


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(
    add_revision: Callable[[str], str], tmp_path: Path, freeze: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expected = copied(REVISIONS[-1], tmp_path)
    add_revision("raise ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        open_store(None, path.parent)
    assert schema_of(path) == HEAD
    monkeypatch.undo()
    assert freeze.checksums(path, expected["columns"]) == expected
    with closing(sqlite3.connect(path)) as connection:
        assert "note" not in [row[1] for row in connection.execute("PRAGMA table_info('data_set')")]


# --- newer stores ----------------------------------------------------------------------------------------------------


def test_a_newer_store_is_refused_in_one_sentence_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = copied(HEAD, tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'f00d'")
        connection.commit()
    monkeypatch.chdir(tmp_path)
    assert main(["data", "list"]) == 1
    said = capsys.readouterr().err
    assert said == (
        "prefrl: The store sqlite:///runs/prefrl.sqlite was written by a newer prefrl (schema f00d, known here up to "
        f"{HEAD}): upgrade prefrl, or use another store.\n"
    )
    assert schema_of(path) == "f00d"
