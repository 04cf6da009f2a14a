"""Whoever replies, and a folder, in; every reply is kept there the moment it arrives and never asked for again."""

from __future__ import annotations

import json
import os
from pathlib import Path

from prefrl_icpl.chat.ledger import Cost, Ledger
from prefrl_icpl.chat.manual import Manual
from prefrl_icpl.chat.replay import Replay
from prefrl_icpl.chat.reply import Chat, Messages, prompt_hash, read_record
from prefrl_icpl.chat.server import Server
from prefrl_icpl.options import ChatOptions


class Conversation:
    """`folder`/replies/<place>.json holds prompt, reply and cost; a resumed run reads it in the stead of paying again."""

    def __init__(self, folder: Path, options: ChatOptions) -> None:
        self._replies = folder / "replies"
        self._replies.mkdir(parents=True, exist_ok=True)
        self._ledger = Ledger(folder / "ledger.jsonl", options)
        self._folder, self._options = folder, options
        self._chat: Chat | None = None  # made when it is first needed: a run whose replies are all there needs no key

    def tokens(self, rounds: int) -> int:
        """Of the replies of the first `rounds` rounds: the same in a run that was resumed."""
        found = (
            read_record(path) for path in self._replies.glob("round-*.json") if int(path.stem.split("-")[1]) <= rounds
        )
        return sum(int(record["tokens_in"]) + int(record["tokens_out"]) for record in found)

    @property
    def spent(self) -> Cost:
        """So far, by all calls of the run, also those that failed."""
        return self._ledger.spent

    def ask(self, place: str, prompt: str, messages: Messages) -> str:
        """The reply kept at `place`, or a new one; one that was given to another prompt is asked for anew."""
        path = self._replies / f"{place}.json"
        asked = prompt_hash(messages)
        if path.exists():
            record = read_record(path)
            if record["prompt"] == asked:
                return str(record["reply"])
        if self._chat is None:
            self._chat = self._opened()
        reply = self._chat.reply(place, prompt, messages)
        record = {
            "place": place, "prompt": asked, "messages": [dict(message) for message in messages], "reply": reply.text,
            "model": self._options.model, "mode": self._options.mode,
            "tokens_in": reply.tokens_in, "tokens_out": reply.tokens_out,
        }  # fmt: skip
        _keep(path, json.dumps(record, indent=1))
        return reply.text

    def _opened(self) -> Chat:
        options = self._options
        if options.mode == "server":
            return Server(options, self._ledger)
        if options.mode == "replay":
            assert options.folder is not None
            return Replay(options.folder, any_prompt=options.any_prompt)
        return Manual(options.folder or self._folder / "manual", wait=options.wait)


def _keep(path: Path, text: str) -> None:
    """On disk before anything else happens: it was paid for."""
    draft = path.with_suffix(".partial")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
