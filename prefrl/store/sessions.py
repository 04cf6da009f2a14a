"""Who may answer what at present, and what they are shown: annotators, leases and rendered clips."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from prefrl.errors import DataError
from prefrl.store import schema
from prefrl.store.items import chunks

_A, _C, _L, _P, _Q = schema.annotator, schema.clip, schema.lease, schema.preference, schema.query


@dataclass(frozen=True, slots=True)
class Clip:
    """A rendered file of one item. `id` is the caller's, e.g. a hash of item, size and camera."""

    id: str
    item_id: str
    path: str
    codec: str  # e.g. "h264"
    width: int  # pixels
    height: int  # pixels
    fps: float
    sha256: str  # of the file


_ORDER = 1e-3  # seconds between the ends of leases taken together: they end, and are given again, in their order


def lease(connection: Connection, data_set: int, annotator: str, seconds: float, overlap: int, n: int) -> list[str]:
    """See `DataSet.leases`; the caller holds the lock of the data set."""
    now = time.time()
    mine = (_L.c.data_set == data_set) & (_L.c.annotator == annotator)
    valid = sa.select(_L.c.query_id).where(mine, _L.c.expires > now).order_by(_L.c.expires).limit(n)
    held = list(connection.scalars(valid))
    if len(held) < n:
        held += connection.scalars(_next(data_set, annotator, overlap, now, held).limit(n - len(held)))
    connection.execute(_L.delete().where(mine, sa.or_(_L.c.query_id.in_(held), _L.c.expires <= now)))
    rows = [
        {"data_set": data_set, "query_id": key, "annotator": annotator, "expires": now + seconds + _ORDER * place}
        for place, key in enumerate(held)
    ]
    if rows:
        connection.execute(_L.insert(), rows)
    return held


def admitted(connection: Connection, data_set: int, query_id: str, annotator: str, overlap: int) -> bool:
    """See `DataSet.admits`."""
    theirs = [
        sa.exists().where(t.c.data_set == data_set, t.c.query_id == query_id, t.c.annotator == annotator)
        for t in (_L, _P)
    ]
    if connection.scalar(sa.select(sa.or_(*theirs))):
        return True
    of_query = (_L.c.data_set == data_set) & (_L.c.query_id == query_id) & (_L.c.expires > time.time())
    holders = sa.select(sa.func.count()).where(of_query).scalar_subquery()
    room = sa.select(_Q.c.answers + holders < overlap).where(_Q.c.data_set == data_set, _Q.c.id == query_id)
    return bool(connection.scalar(room))


def _next(data_set: int, annotator: str, overlap: int, now: float, besides: Iterable[str]) -> sa.Select[tuple[str]]:
    """Queries, those with answers first, that still lack people and that `annotator` has not answered or got already."""
    of_query = (_L.c.data_set == _Q.c.data_set) & (_L.c.query_id == _Q.c.id) & (_L.c.expires > now)
    holders = sa.select(sa.func.count()).where(of_query, _L.c.annotator != annotator).scalar_subquery()
    answered = sa.exists().where(_P.c.data_set == _Q.c.data_set, _P.c.query_id == _Q.c.id, _P.c.annotator == annotator)
    return (
        sa.select(_Q.c.id)
        .where(
            _Q.c.data_set == data_set,
            _Q.c.answers < overlap,
            sa.or_(_Q.c.expires.is_(None), _Q.c.expires > now),
            _Q.c.answers + holders < overlap,
            ~answered,
            _Q.c.id.not_in(list(besides)),
        )
        .order_by(_Q.c.answers.desc(), _Q.c.number)
    )


def add_annotator(connection: Connection, name: str) -> str:
    """A fresh token for a new annotator; only its hash is kept. Raises `DataError` if the name is taken."""
    if connection.scalar(sa.select(_A.c.name).where(_A.c.name == name)) is not None:
        raise DataError(f"There is an annotator '{name}' already: choose another name.")
    token = secrets.token_urlsafe(24)
    connection.execute(_A.insert(), {"name": name, "token_hash": _hash(token), "created": time.time()})
    return token


def annotator_of(connection: Connection, token: str) -> str | None:
    """Whose token it is; None if nobody's or revoked."""
    return connection.scalar(sa.select(_A.c.name).where(_A.c.token_hash == _hash(token), _A.c.revoked.is_(None)))


def annotators(connection: Connection) -> list[str]:
    """See `Store.annotators`."""
    return list(connection.scalars(sa.select(_A.c.name).where(_A.c.revoked.is_(None)).order_by(_A.c.name)))


def renew_token(connection: Connection, name: str) -> str:
    """See `Store.renew_token`."""
    token = secrets.token_urlsafe(24)
    values = {"token_hash": _hash(token), "revoked": None}
    if not connection.execute(_A.update().where(_A.c.name == name).values(values)).rowcount:
        raise DataError(f"There is no annotator '{name}'.")
    return token


def revoke(connection: Connection, name: str) -> None:
    """End an annotator's token; their answers stay."""
    if not connection.execute(_A.update().where(_A.c.name == name).values(revoked=time.time())).rowcount:
        raise DataError(f"There is no annotator '{name}'.")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()  # tokens are random and long: no salt, so one look-up finds them


def add_clip(connection: Connection, data_set: int, clip: Clip) -> None:
    """See `DataSet.add_clip`."""
    where = (_C.c.data_set == data_set) & (_C.c.id == clip.id)
    if connection.scalar(sa.select(_C.c.id).where(where)) is None:
        connection.execute(_C.insert(), asdict(clip) | {"data_set": data_set})


def clips(connection: Connection, data_set: int, item_ids: Iterable[str]) -> dict[str, list[Clip]]:
    """See `DataSet.clips`."""
    found: dict[str, list[Clip]] = defaultdict(list)
    for chunk in chunks(item_ids):
        where = (_C.c.data_set == data_set) & _C.c.item_id.in_(chunk)
        for row in connection.execute(sa.select(_C).where(where).order_by(_C.c.id)).mappings():
            found[row["item_id"]].append(Clip(**{name: row[name] for name in Clip.__slots__}))
    return dict(found)
