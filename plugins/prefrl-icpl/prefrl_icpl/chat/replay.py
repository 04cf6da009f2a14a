"""Replies that an earlier run recorded, by their places."""

from __future__ import annotations

import difflib
import logging
from pathlib import Path

from prefrl.errors import ConfigError, DataError, choices
from prefrl_icpl.chat.reply import Messages, Reply, prompt_hash, read_record

log = logging.getLogger(__name__)


class Replay:
    """Reads `<place>.json` as `Conversation` writes it; nothing is paid."""

    def __init__(self, folder: Path, *, any_prompt: bool) -> None:
        self._folder, self._any_prompt = folder, any_prompt
        if not folder.is_dir():
            raise ConfigError(f"procedure.chat.folder: there is no folder {folder} with recorded replies.")

    def reply(self, place: str, prompt: str, messages: Messages) -> Reply:
        """`DataError` where nothing was recorded for the place, or for another prompt."""
        path = self._folder / f"{place}.json"
        if not path.exists():
            recorded = [found.stem for found in self._folder.glob("*.json")]
            raise DataError(f"{self._folder}: no reply is recorded for '{place}'. {choices(place, recorded)}")
        record = read_record(path)
        if record["prompt"] != prompt_hash(messages):
            changed = _first_difference(record["messages"], messages)
            if not self._any_prompt:
                raise DataError(
                    f"{path}: was given to another prompt ({changed}); procedure.chat.any_prompt: true takes it all the same."
                )
            log.warning("%s was given to another prompt (%s).", path, changed)
        return Reply(record["reply"])


def _first_difference(recorded: Messages, asked: Messages) -> str:
    before = "\n".join(message["content"] for message in recorded).splitlines()
    now = "\n".join(message["content"] for message in asked).splitlines()
    lines = [
        line
        for line in difflib.unified_diff(before, now, lineterm="", n=0)
        if line[:1] in "+-" and line[:3] not in ("---", "+++")
    ]
    changed = next((line for line in lines if line.startswith("+")), lines[0] if lines else "")
    return f"first difference: {changed[:80]!r}" if changed else "other roles"
