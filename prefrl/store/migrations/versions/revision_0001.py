"""The first schema: data sets, items, clips, queries, preferences, annotators, leases.

Preferences and queries are append-only in the database itself: triggers refuse to change or delete them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# What a query asks never changes; how many answered it and when it expires may.
_QUERY_COLUMNS = "data_set, id, number, kind, question, why, round, items"


def upgrade() -> None:
    """Make all tables of an empty store, and the triggers that keep answers as they were given."""
    _make_tables()
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgres()


def _guard_sqlite() -> None:
    for table, event, columns in _guards():
        of = f" OF {columns}" if columns else ""
        op.execute(
            f"CREATE TRIGGER {table}_refuses_{event.lower()} BEFORE {event}{of} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def _guard_postgres() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table, event, columns in _guards():
        of = f" OF {columns}" if columns else ""
        op.execute(
            f"CREATE TRIGGER {table}_refuses_{event.lower()} BEFORE {event}{of} ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )


def _guards() -> list[tuple[str, str, str]]:
    return [
        ("preference", "UPDATE", ""),
        ("preference", "DELETE", ""),
        ("query", "UPDATE", _QUERY_COLUMNS),
        ("query", "DELETE", ""),
    ]


def _make_tables() -> None:
    op.create_table(
        "annotator",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("revoked", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_annotator")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_annotator_token_hash")),
    )
    op.create_table(
        "data_set",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("env", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("queries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("head", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_set")),
        sa.UniqueConstraint("name", name=op.f("uq_data_set_name")),
    )
    op.create_table(
        "item",
        sa.Column("data_set", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("pack", sa.String(length=64), nullable=True),
        sa.Column("arrays", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["data_set"], ["data_set.id"], name=op.f("fk_item_data_set")),
        sa.PrimaryKeyConstraint("data_set", "id", name=op.f("pk_item")),
    )
    op.create_table(
        "query",
        sa.Column("data_set", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("answers", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["data_set"], ["data_set.id"], name=op.f("fk_query_data_set")),
        sa.PrimaryKeyConstraint("data_set", "id", name=op.f("pk_query")),
        sa.UniqueConstraint("data_set", "number", name=op.f("uq_query_data_set_number")),
    )
    op.create_index(op.f("ix_query_data_set_answers_number"), "query", ["data_set", "answers", "number"], unique=False)
    op.create_table(
        "clip",
        sa.Column("data_set", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("item_id", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("codec", sa.String(length=32), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("fps", sa.Double(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["data_set", "item_id"], ["item.data_set", "item.id"], name=op.f("fk_clip_data_set_item_id")
        ),
        sa.ForeignKeyConstraint(["data_set"], ["data_set.id"], name=op.f("fk_clip_data_set")),
        sa.PrimaryKeyConstraint("data_set", "id", name=op.f("pk_clip")),
    )
    op.create_index(op.f("ix_clip_data_set_item_id"), "clip", ["data_set", "item_id"], unique=False)
    op.create_table(
        "lease",
        sa.Column("data_set", sa.Integer(), nullable=False),
        sa.Column("query_id", sa.String(length=64), nullable=False),
        sa.Column("annotator", sa.String(length=255), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["data_set", "query_id"], ["query.data_set", "query.id"], name=op.f("fk_lease_data_set_query_id")
        ),
        sa.ForeignKeyConstraint(["data_set"], ["data_set.id"], name=op.f("fk_lease_data_set")),
        sa.PrimaryKeyConstraint("data_set", "query_id", "annotator", name=op.f("pk_lease")),
    )
    op.create_index(op.f("ix_lease_data_set_annotator"), "lease", ["data_set", "annotator"], unique=False)
    op.create_table(
        "preference",
        sa.Column("data_set", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("query_id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("annotator", sa.String(length=255), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("strength", sa.Double(), nullable=True),
        sa.Column("rationale", sa.Text(), nullable=True),
        sa.Column("shown_order", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.CheckConstraint("(outcome = 'skip') = (answer IS NULL)", name="skip_has_no_answer"),
        sa.ForeignKeyConstraint(
            ["data_set", "query_id"], ["query.data_set", "query.id"], name=op.f("fk_preference_data_set_query_id")
        ),
        sa.ForeignKeyConstraint(["data_set"], ["data_set.id"], name=op.f("fk_preference_data_set")),
        sa.PrimaryKeyConstraint("data_set", "position", name=op.f("pk_preference")),
        sa.UniqueConstraint("data_set", "id", name=op.f("uq_preference_data_set_id")),
        sa.UniqueConstraint(
            "data_set",
            "query_id",
            "source",
            "annotator",
            "revision",
            name=op.f("uq_preference_data_set_query_id_source_annotator_revision"),
        ),
    )
