"""A prompt is written into a folder, and what somebody puts beside it is the reply: for a chat window, or a colleague."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from prefrl.errors import RunError
from prefrl_icpl.chat.reply import Messages, Reply

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0


class Manual:
    """`<place>.reply.md` beside `<prompt>.prompt.md`; several places may share a prompt."""

    def __init__(self, folder: Path, *, wait: bool) -> None:
        self._folder, self._wait = folder, wait

    def reply(self, place: str, prompt: str, messages: Messages) -> Reply:
        """The text that lies there, or will; `RunError` where it is missing and nobody is waited for."""
        path = self._folder / f"{place}.reply.md"
        if not _there(path):
            self._ask(path, self._folder / f"{prompt}.prompt.md", messages)
            while not _there(path):
                time.sleep(POLL_SECONDS)
        return Reply(path.read_text(encoding="utf-8"))

    def _ask(self, path: Path, prompt: Path, messages: Messages) -> None:
        try:
            prompt.parent.mkdir(parents=True, exist_ok=True)
            prompt.write_text(as_markdown(messages), encoding="utf-8")
        except OSError as error:
            raise RunError(f"procedure.chat.folder: {prompt} cannot be written ({error.strerror}).") from error
        if not self._wait:
            raise RunError(
                f"procedure.chat: the reply {path} is missing; its prompt is in {prompt.name} beside it. Resume when "
                f"it is there."
            )
        log.warning("Waiting for a reply to %s in %s", prompt, path.name)


def _there(path: Path) -> bool:
    """Whether it holds a text that nobody is writing any more."""
    try:
        seen = path.stat()
    except FileNotFoundError:
        return False
    return seen.st_size > 0 and time.time() - seen.st_mtime > POLL_SECONDS


def as_markdown(messages: Messages) -> str:
    """All of it as one text; who says what is a heading where there is more than one answer to give it to."""
    spoken: Sequence[str] = [message["content"] for message in messages if message["role"] != "assistant"]
    if len(spoken) == len(messages):
        return "\n\n".join(spoken) + "\n"
    return "\n\n".join(f"<!-- {message['role']} -->\n\n{message['content']}" for message in messages) + "\n"
