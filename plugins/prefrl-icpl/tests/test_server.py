"""What a server can do to us: nothing is lost, nothing is overspent, and it is one sentence."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from prefrl.errors import ConfigError, EnvironmentMissing, PrefrlError, RunError
from prefrl_icpl.chat.ledger import Cost, Ledger, most
from prefrl_icpl.chat.server import LONGEST_PAUSE, Server
from prefrl_icpl.options import ChatOptions

MESSAGES = [{"role": "system", "content": "You write."}, {"role": "user", "content": "Write."}]
ONE = Cost(100, 50)


class Asking:
    def __init__(self, folder: Path, url: str, **options: Any) -> None:
        self.options = ChatOptions(base_url=url, model="m", **options)
        self.ledger = Ledger(folder / "ledger.jsonl", self.options)
        self.pauses: list[float] = []
        self.server = Server(self.options, self.ledger, self.pauses.append)

    def __call__(self) -> str:
        return self.server.reply("round-1-a", "round-1", MESSAGES).text


def truncated(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"mess')
    handler.close_connection = True


def not_json(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5")
    handler.end_headers()
    handler.wfile.write(b"<html")


def hang(handler: BaseHTTPRequestHandler) -> None:
    import time

    time.sleep(1.5)


def test_a_reply_and_what_it_cost(fake: Any, tmp_path: Path) -> None:
    fake.script = ["hello"]
    ask = Asking(tmp_path, fake.url)
    assert ask() == "hello"
    assert ask.ledger.spent == ONE
    assert fake.asked[0] == {"model": "m", "messages": MESSAGES, "temperature": 1.0, "max_tokens": 4096}
    assert fake.keys == [None]


@pytest.mark.parametrize(("trouble", "paid", "pause"), [
    ([(429, {"Retry-After": "7"})], Cost(), 7.0),
    ([(429, {"Retry-After": "9999"})], Cost(), LONGEST_PAUSE),
    ([(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})], Cost(), None),
    ([(500, {}), (502, {}), (500, {})], Cost(), None),
    ([truncated], "most", None),
    ([not_json], "most", None),
    ([""], ONE, None),
    (["  \n"], ONE, None),
    ([hang], "most", None),
])  # fmt: skip
def test_trouble_is_gone_through_and_paid_for_at_most_once(
    fake: Any, tmp_path: Path, trouble: list[Any], paid: Any, pause: float | None
) -> None:
    fake.script = [*trouble, "hello"]
    ask = Asking(tmp_path, fake.url, timeout=0.5)
    assert ask() == "hello"
    assert len(fake.asked) == len(trouble) + 1
    assert len(ask.pauses) == len(trouble)
    assert pause is None or ask.pauses == [pause]
    import json

    lost = most(json.dumps(MESSAGES), ask.options) if paid == "most" else paid
    assert ask.ledger.spent == lost + ONE
    assert Ledger(tmp_path / "ledger.jsonl", ask.options).spent == ask.ledger.spent


def test_what_does_not_go_away_is_one_sentence(fake: Any, tmp_path: Path) -> None:
    fake.script = [(500, {})] * 9
    with pytest.raises(RunError) as caught:
        Asking(tmp_path, fake.url, attempts=3)()
    assert str(caught.value) == (
        "The language model's server failed 3 times at round-1-a: it answered 500. Nothing is lost; resume when it works."
    )
    assert len(fake.asked) == 3
    with pytest.raises(RunError, match=r"nobody answers at http://127\.0\.0\.1:9/v1"):
        Asking(tmp_path, "http://127.0.0.1:9/v1", attempts=1)()


@pytest.mark.parametrize(("status", "kind", "words"), [
    (401, EnvironmentMissing, "127.0.0.1 refuses the key (401): set PREFRL_LLM_API_KEY"),
    (404, RunError, 'answered 404 ({"error": {"message": "as told"}}) at round-1-a.'),
])  # fmt: skip
def test_a_refusal_is_not_tried_again(
    fake: Any, tmp_path: Path, status: int, kind: type[PrefrlError], words: str
) -> None:
    fake.script = [(status, {})]
    ask = Asking(tmp_path, fake.url)
    with pytest.raises(kind) as caught:
        ask()
    assert words in str(caught.value)
    assert (len(fake.asked), ask.ledger.spent) == (1, Cost())


def test_a_budget_is_checked_before_the_call(fake: Any, tmp_path: Path) -> None:
    ask = Asking(tmp_path, fake.url, max_tokens=500, budget_tokens=1000)
    ask()  # at most 625, came to 150
    ask()
    ask()
    assert ask.ledger.spent.tokens == 450
    with pytest.raises(RunError, match=r"budget_tokens: 450 of 1000 are spent, the next call may take \d+"):
        ask()
    assert len(fake.asked) == 3
    with pytest.raises(RunError, match=r"budget_money: 0 of 0.001 is spent, the next call may cost 0.005"):
        Asking(tmp_path / "..", fake.url, max_tokens=500, price_out=10.0, budget_money=0.001)()
    assert len(fake.asked) == 3


def test_a_call_whose_end_nobody_saw_counts_as_the_most_it_can_cost(tmp_path: Path) -> None:
    options = ChatOptions(model="m", budget_tokens=1000)
    first = Ledger(tmp_path / "ledger.jsonl", options)
    first.reserve(Cost(300, 500))  # killed here
    second = Ledger(tmp_path / "ledger.jsonl", options)
    assert second.spent == Cost(300, 500)
    with pytest.raises(RunError, match="budget_tokens"):
        second.reserve(Cost(300, 500))
    with (tmp_path / "ledger.jsonl").open("a") as file:
        file.write('{"call": 2, "tokens_in": 9')  # killed while reserving: that call was never made
    assert Ledger(tmp_path / "ledger.jsonl", options).spent == Cost(300, 500)


def test_no_key_is_one_sentence_with_three_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFRL_LLM_API_KEY", raising=False)
    with pytest.raises(EnvironmentMissing) as caught:
        Asking(tmp_path, "https://example.org/v1")
    assert str(caught.value) == (
        "There is no key for example.org: set PREFRL_LLM_API_KEY, or procedure.chat.base_url to a server of your own such as "
        "http://localhost:11434/v1, or procedure.chat.mode to manual (prompts and replies in a folder) or replay."
    )
    assert caught.value.exit_code == 3
    with pytest.raises(ConfigError, match=r"procedure\.chat\.model: name the model"):
        Server(ChatOptions(base_url="http://localhost:1/v1"), Ledger(tmp_path / "l", ChatOptions()))


def test_the_key_goes_to_the_server_and_nowhere_else(
    fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PREFRL_LLM_API_KEY", "sk-secret")
    fake.script = [(500, {}), (404, {})]
    with pytest.raises(RunError) as caught:
        Asking(tmp_path, fake.url)()
    assert fake.keys == ["Bearer sk-secret"] * 2
    assert "sk-secret" not in caplog.text + str(caught.value) + (tmp_path / "ledger.jsonl").read_text()
