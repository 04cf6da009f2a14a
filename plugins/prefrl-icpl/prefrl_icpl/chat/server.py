"""Messages in, one reply out, from any server that speaks OpenAI's chat completions."""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import random
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from prefrl.errors import ConfigError, EnvironmentMissing, RunError, sentence
from prefrl_icpl.chat.ledger import Cost, Ledger, most
from prefrl_icpl.chat.reply import Messages, Reply
from prefrl_icpl.options import ChatOptions

log = logging.getLogger(__name__)

KEY = "PREFRL_LLM_API_KEY"
LONGEST_PAUSE = 120.0  # seconds, whatever a server asks for
_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}
_WAYS = (
    f"set {KEY}, or procedure.chat.base_url to a server of your own such as http://localhost:11434/v1, or "
    f"procedure.chat.mode to manual (prompts and replies in a folder) or replay"
)


class Trouble(Exception):
    """A call that came to nothing. `paid` is what it may have cost; `pause` the seconds the server asks to wait."""

    def __init__(self, what: str, *, paid: Cost | None, pause: float | None = None) -> None:
        super().__init__(what)
        self.paid, self.pause = paid, pause


class Server:
    """Tries each call `attempts` times. What a call may have cost is in the ledger before it is made."""

    def __init__(self, options: ChatOptions, ledger: Ledger, sleep: Callable[[float], None] = time.sleep) -> None:
        self._options, self._ledger, self._sleep = options, ledger, sleep
        key = os.environ.get(KEY, "")
        local = _is_local(options.base_url)
        if not key and not local:
            raise EnvironmentMissing(f"There is no key for {urlsplit(options.base_url).hostname}: {_WAYS}.")
        if options.model is None:
            raise ConfigError("procedure.chat.model: name the model that the server is to use.")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=options.timeout, headers=headers, trust_env=not local)

    def reply(self, place: str, prompt: str, messages: Messages) -> Reply:
        """Raises `RunError` when all attempts failed or a budget is used up, `EnvironmentMissing` if the key is refused."""
        most_of_it = most(json.dumps(list(messages)), self._options)
        problem = ""
        for attempt in range(self._options.attempts):
            call = self._ledger.reserve(most_of_it)
            try:
                reply = self._call(place, messages)
            except Trouble as trouble:
                if trouble.paid is not None:
                    self._ledger.settle(call, trouble.paid)
                problem = str(trouble)
                log.warning("%s, attempt %d of %d: %s", place, attempt + 1, self._options.attempts, problem)
                if attempt + 1 < self._options.attempts:
                    self._sleep(min(LONGEST_PAUSE, trouble.pause if trouble.pause is not None else _backoff(attempt)))
                continue
            except (EnvironmentMissing, ConfigError, RunError):
                self._ledger.settle(call, Cost())  # refused: nothing was generated
                raise
            self._ledger.settle(call, Cost(reply.tokens_in, reply.tokens_out))
            return reply
        raise RunError(
            f"The language model's server failed {self._options.attempts} times at {place}: {sentence(problem)} Nothing is "
            f"lost; resume when it works."
        )

    def _call(self, place: str, messages: Messages) -> Reply:
        options = self._options
        body = {"model": options.model, "messages": [dict(message) for message in messages],
                "temperature": options.temperature, "max_tokens": options.max_tokens}  # fmt: skip
        try:
            answer = self._client.post(f"{options.base_url.rstrip('/')}/chat/completions", json=body)
        except httpx.ConnectError as error:
            raise Trouble(f"nobody answers at {options.base_url}", paid=Cost()) from error
        except httpx.TimeoutException as error:
            raise Trouble(f"no answer within {options.timeout:g} s", paid=None) from error
        except httpx.HTTPError as error:
            raise Trouble(f"the connection broke ({type(error).__name__})", paid=None) from error
        if answer.status_code in _AGAIN:
            raise Trouble(f"it answered {answer.status_code}", paid=Cost(), pause=_retry_after(answer))
        if answer.status_code in {401, 403}:
            raise EnvironmentMissing(
                f"{urlsplit(options.base_url).hostname} refuses the key ({answer.status_code}): {_WAYS}."
            )
        if answer.status_code != 200:
            raise RunError(
                f"procedure.chat: {options.base_url} answered {answer.status_code} ({_shown(answer.text)}) at {place}."
            )
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> Reply:
        try:
            said: Any = answer.json()
            usage = said.get("usage") or {}
            cost = Cost(int(usage["prompt_tokens"]), int(usage["completion_tokens"])) if usage else None
            text = said["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise Trouble("its answer is no chat completion", paid=None) from error
        if not isinstance(text, str) or not text.strip():
            raise Trouble("its reply is empty", paid=cost)
        if cost is None:  # a server that does not count: what it was, at most
            cost = Cost(
                most(answer.request.content.decode(), self._options).tokens_in,
                min(self._options.max_tokens, len(text.encode())),
            )
        return Reply(text, cost.tokens_in, cost.tokens_out)


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _backoff(attempt: int) -> float:
    return 2.0**attempt * random.uniform(0.75, 1.25)


def _retry_after(answer: httpx.Response) -> float | None:
    try:
        return max(0.0, float(answer.headers["Retry-After"]))
    except (KeyError, ValueError):  # absent, or a date
        return None


def _shown(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)[:200]
