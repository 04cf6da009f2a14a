"""Who is let in, what is refused with which status, and that nothing a stranger sends gets further than that."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefrl.store import DataSet, Store
from prefrl_human.guard import MAX_BODY, Bucket
from prefrl_human.people import Doorkeeper, is_loopback

Web = Callable[..., Any]


# --- who ---------------------------------------------------------------------------------------------------------------


def test_on_this_machine_one_person_needs_no_link(web: Web) -> None:
    page = web()
    assert page.get("/").status_code == 200
    assert page.get("/api/session").json()["who"] == "annotator"


@pytest.mark.parametrize("terms", [{"people": ("ann", "bob")}, {"host": "0.0.0.0"}], ids=["people", "another host"])
def test_others_come_by_personal_links(web: Web, store: Store, terms: dict[str, Any]) -> None:
    page = web(**terms)
    names = terms.get("people", ("annotator",))
    tokens = Doorkeeper(store, terms.get("host", "127.0.0.1"), terms.get("people", ())).invite()
    assert set(tokens) == set(names)
    for path in ("/", "/page/main.js", "/api/session", "/api/next", "/api/live", f"/clips/{'0' * 64}/0.mp4"):
        assert page.get(path).status_code == 401
    assert page.post({}).status_code == 401
    entered = page.get(f"/?token={tokens[names[0]]}")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert page.get("/api/session", cookie=cookie.partition(";")[0]).json()["who"] == names[0]
    assert page.get("/?token=wrong").status_code == 401
    for wrong in ("prefrl=wrong", "prefrl=", 'prefrl="', "prefrl=\x80", f"other={tokens[names[0]]}"):
        assert page.get("/api/session", cookie=wrong).status_code == 401


def test_a_link_ends_when_it_is_renewed_or_revoked(web: Web, store: Store) -> None:
    page = web(people=("ann", "bob"))
    door = Doorkeeper(store, "127.0.0.1", ("ann", "bob"))
    first = door.invite()
    second = door.invite(renew=["ann"])
    assert second["bob"] is None  # has one already
    assert page.get(f"/?token={first['ann']}").status_code == 401
    assert page.get(f"/?token={second['ann']}").status_code == 303
    store.revoke("bob")
    assert page.get(f"/?token={first['bob']}").status_code == 401
    outsider = store.add_annotator("cyd")  # of another session
    assert page.get(f"/?token={outsider}").status_code == 401


def test_only_hashes_of_tokens_lie_on_the_disk(store: Store, data: DataSet, tmp_path: Path) -> None:
    token = Doorkeeper(store, "0.0.0.0", ()).invite()["annotator"]
    assert token is not None
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if token.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("host", "only_here"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]", True), ("127.8.8.8", True), ("0.0.0.0", False),
     ("192.168.1.4", False), ("::", False), ("lab.example", False)],
)  # fmt: skip
def test_what_this_machine_alone_reaches(host: str, only_here: bool) -> None:
    assert is_loopback(host) is only_here


def test_guessing_is_slowed_down(web: Web, store: Store) -> None:
    page = web(people=("ann",))
    token = Doorkeeper(store, "127.0.0.1", ("ann",)).invite()["ann"]
    page.app._strangers = Bucket(2.0, 20.0, lambda: 0.0)
    codes = [page.get(f"/?token=guess{i}").status_code for i in range(30)]
    assert set(codes[:20]) == {401}
    assert codes[-1] == 401  # the answer tells nothing about whether it was looked at
    assert page.get("/api/session", cookie=f"prefrl={token}").status_code == 429
    clock = [0.0]
    bucket = Bucket(2.0, 3.0, lambda: clock[0])
    assert [bucket.take("a") for _ in range(4)] == [True, True, True, False]
    assert bucket.take("b")
    clock[0] += 0.5
    assert [bucket.take("a"), bucket.take("a")] == [True, False]


# --- the matrix --------------------------------------------------------------------------------------------------------


MATRIX: list[tuple[int, dict[str, str]]] = [
    (403, {"origin": "http://evil.example"}),
    (403, {"origin": "null"}),
    (403, {"origin": ""}),
    (403, {"origin": "http://127.0.0.1:9999"}),
    (403, {"sec_fetch_site": "cross-site"}),
    (403, {"sec_fetch_site": "same-site"}),
    (403, {"content_type": "text/plain"}),
    (403, {"content_type": "application/x-www-form-urlencoded"}),
    (403, {"content_type": "multipart/form-data; boundary=application/json"}),
    (403, {"content_type": ""}),
    (403, {"x_prefrl": ""}),
    (400, {"host": "evil.example"}),
    (400, {"host": "127.0.0.1.evil.example:8700"}),
    (400, {"host": "evil.example:80@127.0.0.1"}),
    (411, {"content_length": ""}),
    (411, {"content_length": "-1"}),
    (413, {"content_length": str(MAX_BODY + 1)}),
    (413, {"content_length": "9" * 40}),
]


def test_a_post_that_is_no_page_of_ours_is_refused(web: Web, data: DataSet) -> None:
    page = web()
    (query, *_) = page.get("/api/next").json()["queries"]
    replies = [(page.post(page.answer(query), **headers).status_code, headers) for _, headers in MATRIX]
    assert replies == MATRIX
    assert data.current() == []
    assert page.post(page.answer(query)).status_code == 200
    assert len(data.current()) == 1


def test_other_sites_get_nothing_but_a_link_to_the_page_works(web: Web) -> None:
    page = web()
    assert page.get("/api/next", sec_fetch_site="cross-site").status_code == 403
    assert page.get("/", sec_fetch_site="cross-site", sec_fetch_mode="no-cors").status_code == 403
    assert page.get("/", sec_fetch_site="cross-site", sec_fetch_mode="navigate").status_code == 200
    assert page.get("/", host="evil.example").status_code == 400
    assert page.request("DELETE", "/api/answers").status_code == 405
    assert page.request("PUT", "/").status_code == 405


def test_a_body_that_is_longer_than_it_said_is_cut(web: Web) -> None:
    page = web()
    assert page.post(b"[" * (MAX_BODY + 10), content_length="10").status_code == 413
    assert page.post(b"[" * 60_000).status_code == 400  # nested too deeply, and no answer
    assert page.post(b"\xff\xfe").status_code == 400
    assert page.post(b'{"id": NaN}').status_code == 400


def test_every_reply_has_its_headers(web: Web) -> None:
    page = web()
    for reply in (page.get("/"), page.get("/api/next"), page.get("/nothing"), page.get("/", host="evil.example")):
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert "server" not in reply.headers


# --- paths -------------------------------------------------------------------------------------------------------------

_UP = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..\\", "..%5c", "%252e%252e%252f", "....//", "..;/", "%c0%ae%c0%ae/")
TRAVERSALS = [
    prefix + up * 3 + target
    for up in _UP
    for prefix, target in (
        ("/page/", "place.py"),
        ("/clips/", "etc/passwd"),
        ("/newest/", "etc/passwd%00.mp4"),
        ("/", "etc/passwd"),
    )
]


def test_there_are_enough_of_them() -> None:
    assert len(TRAVERSALS) >= 40


def test_no_path_leads_out(web: Web) -> None:
    page = web()
    replies = {path: page.get(path) for path in TRAVERSALS}
    assert {path: reply.status_code for path, reply in replies.items() if reply.status_code not in (400, 404)} == {}
    assert not [path for path, reply in replies.items() if "root:" in reply.text or "import" in reply.text]


def test_a_clip_has_its_cameras_only(web: Web) -> None:
    page = web()
    for camera in ("1", "-1", "00", "0/..", "a", "%c2%b2", ""):
        assert page.get(f"/clips/{'a' * 64}/{camera}.mp4").status_code == 404


# --- what is sent ------------------------------------------------------------------------------------------------------

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
JSONS = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "id": JSONS, "query": JSONS | st.from_regex(r"[0-9a-f]{64}", fullmatch=True), "revision": JSONS | st.integers(-2, 2000),
        "outcome": JSONS | st.sampled_from(["answered", "skip", "withdrawn"]), "tiers": JSONS | st.lists(st.lists(st.integers(-1, 9), max_size=3), max_size=4),
        "best": JSONS, "value": JSONS, "seconds": JSONS, "age": JSONS, "reason": JSONS, "window": JSONS, "extra": JSONS,
    },
)  # fmt: skip


def test_nothing_that_is_sent_breaks_the_server(web: Web, long: bool) -> None:
    page = web()
    (query, *_) = page.get("/api/next").json()["queries"]

    @settings(
        max_examples=3000 if long else 60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(st.one_of(JSONS, FIELDS, FIELDS.map(lambda sent: page.answer(query) | sent)))
    def send(body: Any) -> None:
        page.app._bucket = Bucket(1e6, 1e6)
        reply = page.post(json.dumps(body).encode())
        assert reply.status_code < 500
        assert reply.status_code in (200, 400, 404, 409, 422)

    send()


def test_the_api_tells_nothing_privileged(web: Web, store: Store, data: DataSet) -> None:
    """Neither the true reward nor privileged factors, nor which questions are checks."""
    page = web(overlay=("height",), checks={"rate": 0.4, "after": 3})
    said = ""
    for _ in range(8):
        found = page.get("/api/next").text
        said += found + page.get("/api/session").text + page.get("/api/live").text
        query = json.loads(found)["queries"][0]
        said += page.post(page.answer(query)).text
    assert len(store.data_set("toy.checks").current()) > 0
    for secret in ("1234.5", "speed", "true_reward", "check", "repeat", "mirror", "known"):
        assert secret not in said


def test_no_token_is_logged(
    web: Web, store: Store, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    page = web(people=("ann",))
    token = Doorkeeper(store, "127.0.0.1", ("ann",)).invite()["ann"]
    assert token is not None
    page.get(f"/?token={token}")
    page.get("/api/next", cookie=f"prefrl={token}")
    page.post({}, cookie=f"prefrl={token}")
    assert token not in caplog.text.replace(
        f"GET http://127.0.0.1:8700/?token={token}", ""
    )  # httpx, the client, logs what it asks
    assert token not in "".join(capfd.readouterr())
