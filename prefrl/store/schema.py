"""The tables of a store; the newest Alembic revision under migrations/ makes exactly these (a test compares them).

Ids are hex hashes or names given by the caller; times are Unix seconds. Composite values are JSON text written by
`prefrl.store.records`. Every lookup of an answer's path has an index, so that its cost does not grow with the store.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _data_set() -> sa.Column[int]:
    return sa.Column("data_set", sa.Integer, sa.ForeignKey("data_set.id"), primary_key=True)


data_set = sa.Table(
    "data_set",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("env", sa.Text, nullable=False),  # EnvInfo
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("queries", sa.BigInteger, nullable=False, server_default="0"),  # how many; the number of the last one
    sa.Column("head", sa.BigInteger, nullable=False, server_default="0"),  # position of the last preference
)

# Items belong to a data set, not to the store: equal clips of two runs may differ in what came with them, and one run
# must never read the true reward that another recorded.
item = sa.Table(
    "item",
    metadata,
    _data_set(),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("data", sa.Text, nullable=False),  # what is not an array
    sa.Column("pack", sa.String(64), nullable=True),  # file that holds the arrays; NULL: known by id only (imported)
    sa.Column("arrays", sa.Text, nullable=True),  # {channel: [offset, bytes, sha256]}
)

clip = sa.Table(
    "clip",
    metadata,
    _data_set(),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("item_id", sa.String(64), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("codec", sa.String(32), nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("fps", sa.Double, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.ForeignKeyConstraint(["data_set", "item_id"], ["item.data_set", "item.id"]),
    sa.Index(None, "data_set", "item_id"),
)

query = sa.Table(
    "query",
    metadata,
    _data_set(),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),  # 1, 2, ... in the order they were added
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("round", sa.BigInteger, nullable=False),
    sa.Column("items", sa.Text, nullable=False),  # [item id, ...]
    sa.Column("answers", sa.Integer, nullable=False, server_default="0"),  # distinct (source, annotator) so far
    sa.Column("expires", sa.Double, nullable=True),  # not open from then on
    sa.UniqueConstraint("data_set", "number"),
    sa.Index(None, "data_set", "answers", "number"),
)

preference = sa.Table(
    "preference",
    metadata,
    _data_set(),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),  # 1, 2, ... without gaps
    sa.Column("id", sa.String(64), nullable=False),
    sa.Column("query_id", sa.String(64), nullable=False),
    sa.Column("source", sa.String(255), nullable=False),
    sa.Column("annotator", sa.String(255), nullable=False),  # "-" for nobody: NULLs would count as distinct
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("answer", sa.Text, nullable=True),
    sa.Column("group", sa.Text, nullable=False),
    sa.Column("strength", sa.Double, nullable=True),
    sa.Column("rationale", sa.Text, nullable=True),
    sa.Column("shown_order", sa.Text, nullable=True),
    sa.Column("seconds", sa.Double, nullable=True),
    sa.Column("created", sa.Double, nullable=False),
    sa.UniqueConstraint("data_set", "id"),
    sa.UniqueConstraint("data_set", "query_id", "source", "annotator", "revision"),
    sa.ForeignKeyConstraint(["data_set", "query_id"], ["query.data_set", "query.id"]),
    sa.CheckConstraint("(outcome = 'skip') = (answer IS NULL)", name="skip_has_no_answer"),
)

annotator = sa.Table(
    "annotator",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("revoked", sa.Double, nullable=True),
)

lease = sa.Table(
    "lease",
    metadata,
    _data_set(),
    sa.Column("query_id", sa.String(64), primary_key=True),
    sa.Column("annotator", sa.String(255), primary_key=True),
    sa.Column("expires", sa.Double, nullable=False),
    sa.ForeignKeyConstraint(["data_set", "query_id"], ["query.data_set", "query.id"]),
    sa.Index(None, "data_set", "annotator"),
)
