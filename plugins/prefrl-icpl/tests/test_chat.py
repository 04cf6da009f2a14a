from __future__ import annotations

import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from prefrl.errors import ConfigError, DataError, RunError
from prefrl_icpl.chat.conversation import Conversation
from prefrl_icpl.chat.manual import Manual, as_markdown
from prefrl_icpl.options import ChatOptions

MESSAGES = [{"role": "system", "content": "You write."}, {"role": "user", "content": "Write."}]
OTHER = [{"role": "system", "content": "You write."}, {"role": "user", "content": "Write more."}]


def put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (time.time() - 5, time.time() - 5))


def test_a_reply_is_paid_for_once_also_by_another_process(fake: Any, tmp_path: Path) -> None:
    options = ChatOptions(base_url=fake.url, model="m")
    first = Conversation(tmp_path, options).ask("round-1-a", "round-1", MESSAGES)
    assert Conversation(tmp_path, options).ask("round-1-a", "round-1", MESSAGES) == first
    assert len(fake.asked) == 1
    Conversation(tmp_path, options).ask("round-1-a", "round-1", OTHER)
    assert len(fake.asked) == 2


def test_what_one_run_recorded_another_replays(fake: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorded = Conversation(tmp_path / "one", ChatOptions(base_url=fake.url, model="m")).ask(
        "round-1-a", "round-1", MESSAGES
    )
    options = ChatOptions(mode="replay", folder=tmp_path / "one" / "replies")
    again = Conversation(tmp_path / "two", options)
    assert again.ask("round-1-a", "round-1", MESSAGES) == recorded
    assert again.spent.tokens == 0
    with pytest.raises(
        DataError, match=r"no reply is recorded for 'round-1-b'\. Allowed: round-1-a\. Did you mean 'round-1-a'\?"
    ):
        again.ask("round-1-b", "round-1", MESSAGES)
    with pytest.raises(DataError, match=r"was given to another prompt .*Write more"):
        Conversation(tmp_path / "three", options).ask("round-1-a", "round-1", OTHER)
    loose = options.model_copy(update={"any_prompt": True})
    with caplog.at_level(logging.WARNING):
        assert Conversation(tmp_path / "three", loose).ask("round-1-a", "round-1", OTHER) == recorded
    assert "was given to another prompt" in caplog.text
    assert len(fake.asked) == 1


def test_records_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="mode replay needs a folder"):
        ChatOptions(mode="replay")
    with pytest.raises(ConfigError, match="there is no folder"):
        Conversation(tmp_path, ChatOptions(mode="replay", folder=tmp_path / "none")).ask("a", "a", MESSAGES)
    (tmp_path / "a.json").write_text('{"reply": 3}')
    with pytest.raises(DataError, match="is no recorded reply"):
        Conversation(tmp_path, ChatOptions(mode="replay", folder=tmp_path)).ask("a", "a", MESSAGES)


def test_by_hand_a_prompt_is_written_and_the_reply_beside_it_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "manual"
    asking = Manual(folder, wait=True)
    said: list[str] = []
    asker = threading.Thread(
        target=lambda: said.append(asking.reply("round-1-b", "round-1", MESSAGES).text), daemon=True
    )
    asker.start()
    deadline = time.monotonic() + 20
    while not (folder / "round-1.prompt.md").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (folder / "round-1.prompt.md").read_text() == "You write.\n\nWrite.\n"
    put(folder / "round-1-b.reply.md", "the reply")
    asker.join(20)
    assert said == ["the reply"]


def test_by_hand_without_waiting(tmp_path: Path) -> None:
    conversation = Conversation(tmp_path, ChatOptions(mode="manual", wait=False))
    with pytest.raises(
        RunError, match=r"the reply .*manual/round-1-a.reply.md is missing; its prompt is in round-1.prompt.md"
    ):
        conversation.ask("round-1-a", "round-1", MESSAGES)
    put(tmp_path / "manual" / "round-1-a.reply.md", "the reply")
    assert conversation.ask("round-1-a", "round-1", MESSAGES) == "the reply"
    record = json.loads((tmp_path / "replies" / "round-1-a.json").read_text())
    assert (record["mode"], record["messages"]) == ("manual", MESSAGES)


def test_a_prompt_after_a_reply_says_who_spoke() -> None:
    text = as_markdown([*MESSAGES, {"role": "assistant", "content": "r"}, {"role": "user", "content": "again"}])
    assert "<!-- assistant -->\n\nr\n\n<!-- user -->\n\nagain\n" in text
