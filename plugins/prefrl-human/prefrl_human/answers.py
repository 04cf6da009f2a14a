"""What a page sends in, preferences out; anything else is refused with a sentence."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from prefrl.errors import DataError
from prefrl.options import Options
from prefrl.types import Answer, Binary, Choice, Preference, Query, Rationale, Tiers

WITHDRAWN = "withdrawn"  # the reason of a skip that takes an answer back, so that it can be given anew
MAX_AGE = 30 * 86400.0  # seconds an answer may have waited in a browser without a connection

Position = Annotated[int, Field(ge=0, le=7)]


class Refused(DataError):
    """An answer that fits no question."""


class Sent(Options):
    """One answer as a page sends it; clips are named by their positions on the page."""

    id: UUID  # of this message; a repeated one has the same
    query: str = Field(pattern=r"^[0-9a-f]{64}$")
    revision: int = Field(ge=0, le=1000)
    outcome: Literal["answered", "skip", "withdrawn"]
    tiers: tuple[tuple[Position, ...], ...] | None = Field(None, max_length=8)
    best: Position | None = None
    value: float | None = Field(None, ge=0, le=1)
    seconds: float = Field(ge=0, le=86400)  # the question was visible until it was answered
    age: float = Field(ge=0, le=MAX_AGE)  # seconds from the answer to this message
    reason: str | None = Field(None, max_length=500)
    window: tuple[int, int] | None = None  # marked steps: first, one past the last


def preference(sent: Sent, query: Query, order: tuple[int, ...], *, source: str, who: str, now: float) -> Preference:
    """The record of what was sent about `query`, whose items stood on the page in `order`; raises `Refused`."""
    answer = None if sent.outcome != "answered" else _answer(sent, query, order)
    if sent.outcome != "answered" and (sent.tiers, sent.best, sent.value) != (None, None, None):
        raise Refused("A question that is skipped has no answer.")
    reason = WITHDRAWN if sent.outcome == WITHDRAWN else _plain(sent.reason)
    return Preference.of(
        query,
        answer,
        source=source,
        annotator=who,
        revision=sent.revision,
        rationale=Rationale(text=reason, window=_window(sent.window, query)),
        shown_order=order,
        seconds=sent.seconds,
        created=now - sent.age,
    )


def _answer(sent: Sent, query: Query, order: tuple[int, ...]) -> Answer:
    given = [name for name in ("tiers", "best", "value") if getattr(sent, name) is not None]
    if len(given) != 1:
        raise Refused("An answer is one of tiers, best and value.")
    k = len(order)
    if sent.value is not None:
        if query.kind != "binary" or k != 1:
            raise Refused(f"A value answers no {query.kind} question.")
        return Binary((sent.value,))
    if sent.best is not None:
        if query.kind not in ("ranking", "choice") or sent.best >= k:
            raise Refused(f"A best clip at position {sent.best} answers no {query.kind} question of {k} clips.")
        return Choice(order[sent.best])
    assert sent.tiers is not None
    ranked = [position for tier in sent.tiers for position in tier]
    if query.kind not in ("pair", "ranking") or not all(sent.tiers) or sorted(ranked) != list(range(k)):
        raise Refused(f"Tiers {sent.tiers} do not name each of the {k} clips of a {query.kind} question once.")
    return Tiers(tuple(tuple(order[position] for position in tier) for tier in sent.tiers))


def _plain(text: str | None) -> str | None:
    """Without control characters; None if nothing is left."""
    kept = "".join(c if c.isprintable() or c == "\n" else " " for c in text or "").strip()
    return kept or None


def _window(window: tuple[int, int] | None, query: Query) -> tuple[int, int] | None:
    if window is None:
        return None
    steps = max((len(item) for item in query.items if item.kind == "segment"), default=0)
    if not 0 <= window[0] < window[1] <= steps:
        raise Refused(f"The marked steps {window} are none of the clip's {steps}.")
    return window
