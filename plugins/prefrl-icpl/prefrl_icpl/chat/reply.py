"""What passes between the procedure and whoever writes programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from prefrl.errors import DataError
from prefrl.types import content_hash

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A text, and what it cost in tokens."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0


class Chat(Protocol):
    """Whoever replies. `place` names the reply, `prompt` the messages, which several places may share."""

    def reply(self, place: str, prompt: str, messages: Messages) -> Reply: ...


def prompt_hash(messages: Messages) -> str:
    """Of what was asked: the same in every process."""
    plain = [[message["role"], message["content"]] for message in messages]
    return content_hash(json.dumps(plain).encode())


def read_record(path: Path) -> dict[str, Any]:
    """A recorded reply: prompt (its hash), messages, reply, tokens_in, tokens_out; `DataError` if it is damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        sound = (
            isinstance(record["reply"], str)
            and isinstance(record["prompt"], str)
            and isinstance(record["messages"], list)
        )
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise DataError(f"{path}: is no recorded reply.")
    return dict(record)
