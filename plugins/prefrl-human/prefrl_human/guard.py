"""Requests in; those from a page of ours, by somebody who may, small and not too many, go on. All others end here.

Pure ASGI, around the whole application: nothing below it sees a request that was refused.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from prefrl_human.people import Doorkeeper

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 64 * 1024  # bytes
RATE, BURST = 50.0, 200.0  # requests a second of one person, and how many at once
STRANGER_RATE, STRANGER_BURST = 2.0, 20.0  # of an address that shows no valid token
COOKIE = "prefrl"
MARK = b"x-prefrl"  # a header that no form and no other site can send without asking first

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Bucket:
    """Lets `rate` calls a second pass, `burst` of them at once."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left: dict[str, tuple[float, float]] = {}  # who -> (tokens, when)

    def take(self, who: str) -> bool:
        """Whether one more may pass."""
        now = self._clock()
        tokens, then = self._left.get(who, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        if len(self._left) > 10_000:
            self._left.clear()  # forgetting lets somebody have a burst more, remembering all would fill the memory
        self._left[who] = (tokens - 1 if tokens >= 1 else tokens), now
        return tokens >= 1

    def spent(self, who: str) -> bool:
        """Whether none may pass at present; takes nothing."""
        tokens, then = self._left.get(who, (self._burst, self._clock()))
        return tokens + (self._clock() - then) * self._rate < 1


class Guard:
    """What stands before the application. `hosts` are names by which the page is reached, without ports."""

    def __init__(self, app: App, doorkeeper: Doorkeeper, hosts: Iterable[str]) -> None:
        self._app, self._doorkeeper = app, doorkeeper
        self._hosts = frozenset(host.lower() for host in hosts)
        self._bucket, self._strangers = Bucket(RATE, BURST), Bucket(STRANGER_RATE, STRANGER_BURST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await answer(send, *refusal)
            return
        if scope["method"] == "GET" and (token := _asked_token(scope)) is not None:
            await self._exchange(scope, send, token)
            return
        if self._by_stranger(scope):
            await answer(send, 429, "Too many attempts; wait a little.")
            return
        who = self._doorkeeper.who(_cookie(headers))
        if who is None:
            self._strangers.take(_address(scope))
            await answer(send, 401, "Open the personal link that was printed for you where prefrl was started.")
            return
        if not self._bucket.take(who):
            await answer(send, 429, "Too many requests; wait a little.")
            return
        scope["who"] = who
        await self._app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: dict[bytes, str]) -> tuple[int, str] | None:
        host = headers.get(b"host", "")
        if _without_port(host).lower() not in self._hosts:
            return 400, "This host name is not served; name it in the option hosts."
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "Only GET and POST are served."
        if headers.get(b"sec-fetch-site", "none") not in ("same-origin", "none") and not _navigates(scope, headers):
            return 403, "Requests of other sites are refused."
        if scope["method"] != "POST":
            return None
        if headers.get(b"origin", "") not in (f"http://{host}", f"https://{host}"):
            return 403, "Answers are taken from the page itself only."
        if MARK not in headers or headers.get(b"content-type", "").partition(";")[0].strip() != "application/json":
            return 403, "Answers are taken as JSON from the page itself only."
        length = headers.get(b"content-length", "")
        if not length.isascii() or not length.isdigit():
            return 411, "The length of an answer has to be said."
        return (413, "An answer may have 64 kB.") if int(length) > MAX_BODY else None

    def _by_stranger(self, scope: Scope) -> bool:
        """Whether an address that showed wrong tokens before has used up its attempts."""
        return not self._doorkeeper.open and self._strangers.spent(_address(scope))

    async def _exchange(self, scope: Scope, send: Send, token: str) -> None:
        """A personal link: the token becomes a cookie and leaves the address bar."""
        if self._by_stranger(scope) or self._doorkeeper.who(token) is None:
            self._strangers.take(_address(scope))
            await answer(send, 401, "This link is not valid, or no longer.")
            return
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        # Lax, not Strict: a link opened from a mail would otherwise arrive without the cookie it was just given
        cookie = f"{COOKIE}={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age=7776000{secure}"
        await answer(send, 303, "", {"location": "/", "set-cookie": cookie})


async def answer(send: Send, status: int, sentence: str, more: dict[str, str] | None = None) -> None:
    """A short answer as JSON."""
    body = json.dumps({"error": sentence}).encode() if sentence else b""
    headers = {"content-type": "application/json", "cache-control": "no-store", "connection": "close"}
    if status == 429:
        headers["retry-after"] = "1"
    pairs = {**HEADERS, **headers, **(more or {}), "content-length": str(len(body))}.items()
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            have = {name.lower() for name, _ in message["headers"]}
            more = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in have]
            message["headers"] = [*message["headers"], *more]
        await send(message)

    return sending


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0] if ":" in host else host


def _navigates(scope: Scope, headers: dict[bytes, str]) -> bool:
    """Somebody followed a link to the page: allowed, the page itself shows nothing that is not theirs."""
    return scope["method"] == "GET" and scope["path"] == "/" and headers.get(b"sec-fetch-mode") == "navigate"


def _asked_token(scope: Scope) -> str | None:
    if scope["path"] != "/":
        return None
    tokens = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token")
    return tokens[0] if tokens else None


def _cookie(headers: dict[bytes, str]) -> str | None:
    try:
        found = SimpleCookie(headers.get(b"cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None else None


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "-"
