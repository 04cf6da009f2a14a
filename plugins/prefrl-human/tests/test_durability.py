"""What was acknowledged is on disk, once: the server killed at random moments, many people at once, messages in any order.

Small forms; `make soak-human` runs the long ones.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from prefrl.store import DataSet, Store, open_store
from prefrl.types import Query, Text
from prefrl_human.place import Place

Terms = Callable[..., Place]
FORKS = multiprocessing.get_context("forkserver")  # a server that is killed 200 times must start fast


def texts(number: int) -> Query:
    """Questions about texts need no clips."""
    return Query.of("many", number, [Text("Which?", f"{number}a"), Text("Which?", f"{number}b")])


def serving(line: str, told: Any) -> None:
    from prefrl_human.serving import serve

    serve(Place.model_validate_json(line), lambda address: told.send((address.url, address.links)))


class Killed:
    """A server on one port, killed and started again."""

    def __init__(self, where: Place) -> None:
        self.where, self.port, self.links = where, 0, {}
        self.start()

    def start(self) -> None:
        options = self.where.options.model_copy(update={"port": self.port})
        ours, theirs = FORKS.Pipe()
        line = self.where.model_copy(update={"options": options}).model_dump_json()
        self.process = FORKS.Process(target=serving, args=(line, theirs), daemon=True)
        self.process.start()
        url, links = ours.recv()
        self.port = int(url.rstrip("/").rpartition(":")[2])
        self.links = self.links or links

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()


class Client:
    """One person who never stops: asks what is next, answers it until that is acknowledged."""

    def __init__(self, port: int, link: str, seed: int) -> None:
        self.port, self.cookie = port, f"prefrl={link.partition('token=')[2]}"
        self.rng = random.Random(seed)
        self.acknowledged: list[tuple[str, int, str]] = []
        self.sent: list[dict[str, Any]] = []
        self.seconds: list[float] = []
        self.statuses: Counter[int] = Counter()

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            host = f"127.0.0.1:{self.port}"
            headers = {
                "host": host,
                "origin": f"http://{host}",
                "x-prefrl": "1",
                "content-type": "application/json",
                "cookie": self.cookie,
            }
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            found = reply.status, json.loads(reply.read() or b"{}")
        finally:
            connection.close()
        self.statuses[found[0]] += 1
        return found

    def until(self, method: str, path: str, body: Any = None, over: threading.Event | None = None) -> Any:
        while over is None or not over.is_set():
            try:
                began = time.perf_counter()
                status, said = self.call(method, path, body)
                if status == 200:
                    self.seconds += [time.perf_counter() - began] if method == "POST" else []
                    return said
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.02)
        return None

    def message(self, query: dict[str, Any], revision: int, **more: Any) -> dict[str, Any]:
        values = {
            "id": str(uuid4()),
            "query": query["query"],
            "revision": revision,
            "outcome": "answered",
            "seconds": 2.0,
            "age": 0.0,
        }
        return values | (more or {"tiers": self.rng.choice([[[0], [1]], [[1], [0]], [[0, 1]]])})

    def answer(self, n: int | None, over: threading.Event) -> None:
        done = set()
        while not over.is_set() and (n is None or len(done) < n):
            found = self.until("GET", "/api/next", over=over)
            fresh = [query for query in (found or {"queries": []})["queries"] if query["query"] not in done]
            if not fresh:
                if found is not None and not found["left"]:
                    return
                time.sleep(0.05)
                continue
            done.add(fresh[0]["query"])
            self.post(fresh[0], self.message(fresh[0], fresh[0]["revision"]), over)
            if self.rng.random() < 0.1:  # a changed mind
                self.post(fresh[0], self.message(fresh[0], 1, outcome="withdrawn"), over)
                self.post(fresh[0], self.message(fresh[0], 2), over)

    def post(self, query: dict[str, Any], message: dict[str, Any], over: threading.Event) -> None:
        self.sent.append(message)
        if self.until("POST", "/api/answers", message, over) is not None:
            self.acknowledged.append((query["query"], message["revision"], json.dumps(message.get("tiers"))))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A throw-away server, or None; the programs are those of prefrl's own tests."""
    file = Path(__file__).parents[3] / "tests" / "store" / "postgres.py"
    spec = importlib.util.spec_from_file_location("people_postgres", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    if module.programs() is None:
        yield None
        return
    with module.Server(tmp_path_factory.mktemp("pg") / "server") as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, lacking: Callable[[str], None]) -> str | None:
    if request.param == "sqlite":
        return None
    server = request.getfixturevalue("postgres")
    if server is None:
        lacking("needs postgres: apt install postgresql")
    return server.database()


@pytest.fixture
def store(url: str | None, tmp_path: Path) -> Iterator[Store]:
    with open_store(url, tmp_path / "runs") as opened:
        yield opened


@pytest.fixture
def many(store: Store, long: bool) -> DataSet:
    data = store.data_set("many", _env())
    data.add_queries([texts(i) for i in range(8000 if long else 400)])
    return data


def _env() -> Any:
    from prefrl.types import EnvInfo

    return EnvInfo("text", (), ())


@pytest.fixture
def running() -> Iterator[Callable[[Place], Killed]]:
    FORKS.set_forkserver_preload(["prefrl_human.serving", "alembic.command"])
    started: list[Killed] = []
    yield lambda where: started.append(Killed(where)) or started[-1]
    for one in started:
        one.kill()


def together(clients: list[Client], n: int | None, meanwhile: Callable[[], None]) -> None:
    over = threading.Event()
    threads = [threading.Thread(target=client.answer, args=(n, over), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    meanwhile()
    if n is None:
        over.set()
    for thread in threads:
        thread.join(900)
    assert not any(thread.is_alive() for thread in threads)


def test_kill_9_loses_nothing_and_doubles_nothing(
    running: Callable[[Place], Killed], place: Terms, many: DataSet, long: bool, tmp_path: Path, url: str | None
) -> None:
    kills = 200 if long else 4
    people = tuple(f"person{i}" for i in range(5))
    server = running(place(url, data_set="many", people=people, lease=5))
    clients = [Client(server.port, server.links[name], i) for i, name in enumerate(people)]
    rng = random.Random(1)

    def storm() -> None:
        for _ in range(kills):
            enough = sum(len(client.acknowledged) for client in clients) + rng.randint(1, 8)
            while sum(len(client.acknowledged) for client in clients) < enough:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.03))
            server.kill()
            server.start()

    together(clients, None, storm)
    with open_store(url, tmp_path / "runs") as again:
        data = again.data_set("many")
        assert data.verify() == []
        stored = [p for _, p in data.preferences()]
    keys = Counter((p.annotator, p.query_id, p.revision) for p in stored)
    acknowledged = [
        (name, query, revision)
        for name, c in zip(people, clients, strict=True)
        for query, revision, _ in c.acknowledged
    ]
    sent = {(name, m["query"], m["revision"]) for name, c in zip(people, clients, strict=True) for m in c.sent}
    sys.stdout.write(f"{kills} kills, {len(acknowledged)} answers acknowledged, {len(stored)} stored\n")
    assert len(acknowledged) >= 2 * kills
    assert [key for key in acknowledged if keys[key] != 1] == []
    assert set(keys) <= sent
    said = {(name, q, r): tiers for name, c in zip(people, clients, strict=True) for q, r, tiers in c.acknowledged}
    for p in stored:
        if p.answer is not None and (p.annotator, p.query_id, p.revision) in said:
            shown = [[p.shown_order.index(item) for item in tier] for tier in p.answer.tiers]
            assert sorted(map(sorted, shown)) == sorted(
                map(sorted, json.loads(said[p.annotator, p.query_id, p.revision]))
            )


def test_many_people_at_once(
    running: Callable[[Place], Killed], place: Terms, many: DataSet, long: bool, url: str | None
) -> None:
    n, each, overlap = (50, 200, 2) if long else (8, 10, 2)
    people = tuple(f"person{i}" for i in range(n))
    server = running(place(url, data_set="many", people=people, per_question=overlap))
    clients = [Client(server.port, server.links[name], i) for i, name in enumerate(people)]
    together(clients, each, lambda: None)
    seconds = sorted(second for client in clients for second in client.seconds)
    statuses = sum((client.statuses for client in clients), Counter())
    p99 = seconds[int(0.99 * len(seconds))]
    sys.stdout.write(
        f"{n} people, {len(seconds)} answers, p50 {seconds[len(seconds) // 2]:.3f} s, p99 {p99:.3f} s, {dict(statuses)}\n"
    )
    assert set(statuses) == {200}
    quota = Counter(p.query_id for _, p in many.current())
    assert max(quota.values()) <= overlap
    assert sum(quota.values()) == n * each
    assert p99 < (0.5 if long else 5.0)


def test_three_times_in_any_order_is_once(
    running: Callable[[Place], Killed], place: Terms, many: DataSet, store: Store, long: bool, url: str | None
) -> None:
    people = ("ann", "bob", "cyd")
    server = running(place(url, data_set="many", people=people))
    clients = [Client(server.port, server.links[name], i) for i, name in enumerate(people)]
    together(clients, 100 if long else 8, lambda: None)
    before = {p.id: (p.answer, p.outcome, p.revision) for _, p in many.preferences()}
    for client in clients:
        again = client.sent * 2
        random.Random(2).shuffle(again)
        assert {client.call("POST", "/api/answers", message)[0] for message in again} == {200}
    twin = store.data_set("twin", _env())
    twin.add_queries([texts(i) for i in range(8000 if long else 400)])
    other = running(place(url, data_set="twin", people=people, per_question=3))
    for client in clients:
        client.port = other.port
        thrice = client.sent * 3
        random.Random(3).shuffle(thrice)
        assert {client.call("POST", "/api/answers", message)[0] for message in thrice} == {200}
    assert {p.id: (p.answer, p.outcome, p.revision) for _, p in many.preferences()} == before
    assert {p.id: (p.answer, p.outcome, p.revision) for _, p in twin.preferences()} == before
