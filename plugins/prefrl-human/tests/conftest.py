"""A data set with clips of a few kilobytes, served in this process or another, and a browser where there is one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from prefrl.store import DataSet, Store, open_store
from prefrl.types import EnvInfo, Factor, Query, Segment
from prefrl_human.options import HumanOptions
from prefrl_human.place import Place

collect_ignore = (
    [] if any("soak" in argument for argument in sys.argv) else ["soak"]
)  # what takes long: make soak-human
STEPS, FPS = 20, 20  # one second

ENV = EnvInfo(
    "Toy-v0", (3,), (2,), dt=1 / FPS, task="Walk to the right without falling.", has_states=True,
    factors={"speed": Factor("speed", "m/s", privileged=True), "height": Factor("height", "m", privileged=False)},
)  # fmt: skip


def _lacking(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"CI is set, and this {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def lacking() -> Callable[[str], None]:
    """``lacking("needs x: apt install x")`` skips, and says so in the list at the end; with CI set, it fails."""
    return _lacking


def segment(seed: int) -> Segment:
    rng = np.random.default_rng(seed)
    return Segment.of(
        rng.normal(size=(STEPS + 1, 3)).astype(np.float32), rng.normal(size=(STEPS, 2)).astype(np.float32),
        true_reward=np.full(STEPS, 1234.5 + seed), states=rng.normal(size=(STEPS + 1, 7)), env_id="Toy-v0",
        factors={"speed": rng.normal(size=STEPS), "height": np.linspace(1, 2, STEPS)},
    )  # fmt: skip


def question(number: int, k: int = 2, kind: Any = None) -> Query:
    kind = kind or {1: "binary", 2: "pair"}.get(k, "ranking")
    return Query.of("toy", number, [segment(1000 * number + i) for i in range(k)], kind=kind)


@pytest.fixture(scope="session")
def long() -> bool:
    """Whether the long forms are asked for, by `make soak-human`."""
    return bool(os.environ.get("PREFRL_LONG"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(None, tmp_path / "runs") as opened:
        yield opened


@pytest.fixture
def ask() -> Callable[..., Query]:
    """``ask(3, k=4)``: the fourth question, about four clips."""
    return question


@pytest.fixture
def empty(store: Store) -> DataSet:
    """The data set `toy` without questions."""
    return store.data_set("toy", ENV)


@pytest.fixture
def data(store: Store) -> DataSet:
    """Twelve open pairs."""
    made = store.data_set("toy", ENV)
    made.add_queries([question(i) for i in range(12)])
    return made


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., Place]:
    """``place(per_question=2)``: the data set `toy` on these terms."""

    def make(url: str | None = None, data_set: str = "toy", **options: Any) -> Place:
        options = {"port": 0, "browser": False, "checks": {"rate": 0}, "watch": 0} | options
        return Place(
            url=url, folder=tmp_path / "runs", data_set=data_set, options=HumanOptions(**options),
            videos=tmp_path / "videos",
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """One of four small clips of a second: a bar that moves at its own height."""
    import imageio.v3 as iio

    folder = tmp_path_factory.mktemp("movies")
    for number in range(4):
        frames = np.full((STEPS, 64, 64, 3), 40 + 30 * number, np.uint8)
        for i in range(STEPS):
            frames[i, 12 * number + 4 : 12 * number + 14, 3 * i : 3 * i + 8] = (250, 200, 60)
        iio.imwrite(
            folder / f"{number}.mp4", frames, fps=FPS, codec="libx264", macro_block_size=16, pixelformat="yuv420p",
            output_params=["-movflags", "+faststart"],
        )  # fmt: skip
    return lambda number: folder / f"{number % 4}.mp4"


@pytest.fixture
def film(movie: Callable[[int], Path]) -> Callable[[Place, DataSet], None]:
    """Every item of a data set gets a clip, so that nothing has to be drawn."""

    def make(where: Place, data: DataSet) -> None:
        where.clips.mkdir(parents=True, exist_ok=True)
        ids = data.open_queries()
        for query in data.queries(ids, without={"states", "factors"}).values():
            for number, item in enumerate(query.items):
                shutil.copy(movie(number), where.clips / f"{item.id}.mp4")

    return make


class StillRenderer:
    """Draws nothing; every clip is there."""

    problems: dict[str, str] = {}

    def ready(self, item: str) -> bool:
        return True

    def want(self, items: Any) -> None: ...

    def newest(self, episode: Path, clip: Path) -> None: ...


class Web:
    """The whole application, guard included, without a socket. `get` and `post` behave as a page of ours does."""

    host = "127.0.0.1:8700"

    def __init__(self, app: Any, where: Place, session: Any) -> None:
        self.app, self.place, self.session = app, where, session

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
        import httpx

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app, raise_app_exceptions=False)) as client:
                request = client.build_request(method, "http://127.0.0.1:8700/", **more)
                request.url = request.url.copy_with(raw_path=path.encode())
                for name, value in {"host": self.host, **(headers or {})}.items():
                    request.headers[name] = value
                    if value == "":
                        del request.headers[name]
                return await client.send(request)

        return asyncio.run(ask())

    def get(self, path: str, **headers: str) -> Any:
        return self.request("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, body: Any, path: str = "/api/answers", **headers: str) -> Any:
        ours = {"origin": f"http://{self.host}", "x-prefrl": "1", "content-type": "application/json"}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, ours | {n.replace("_", "-"): v for n, v in headers.items()}, content=content)

    def answer(self, query: dict[str, Any], **more: Any) -> dict[str, Any]:
        """What the page would send about a query it was given."""
        values = {"id": str(uuid4()), "query": query["query"], "revision": query["revision"], "outcome": "answered"}
        return values | {"tiers": [[0], [1]], "seconds": 2.0, "age": 0.0} | more


@pytest.fixture
def web(store: Store, data: DataSet, place: Callable[..., Place]) -> Iterator[Callable[..., Web]]:
    """``web(people=("ann",))``: the application serving the data set `toy` on these terms."""
    from prefrl_human.app import Desk
    from prefrl_human.guard import Guard
    from prefrl_human.people import Doorkeeper
    from prefrl_human.session import Session

    desks = []

    def make(host: str = "127.0.0.1", **options: Any) -> Web:
        where = place(host=host, **options)
        session = Session(store, where)
        desks.append(Desk(session, where, StillRenderer()))
        guarded = Guard(desks[-1].app(), Doorkeeper(store, host, where.options.people), ["127.0.0.1", "localhost"])
        return Web(guarded, where, session)

    yield make
    for desk in desks:
        desk.close()


# --- servers and browsers --------------------------------------------------------------------------------------------

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Server:
    """A serving process of its own, as a run starts it; killed and started again at will on the same port."""

    def __init__(self, where: Place) -> None:
        self.where, self.port = where, where.options.port
        self.process: subprocess.Popen[str] | None = None
        self.url, self.links = "", {}

    def start(self) -> Server:
        options = self.where.options.model_copy(update={"port": self.port})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "prefrl_human.serving"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.process.stdin.write(self.where.model_copy(update={"options": options}).model_dump_json() + "\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline())
        self.url, self.links = said["url"], said["links"]
        self.port = int(self.url.rstrip("/").rpartition(":")[2])
        return self

    def kill(self) -> None:
        self.process.kill()
        self.stop()

    def stop(self) -> None:
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(20)
            self.process.stdout.close()
            self.process = None


@pytest.fixture
def serve() -> Iterator[Callable[[Place], Server]]:
    """``serve(place())``: a running server."""
    servers: list[Server] = []

    def start(where: Place) -> Server:
        servers.append(Server(where))
        return servers[-1].start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's browser, through Playwright. One per module: its event loop must not stay while others are run."""
    found = next((path for path in CHROMIUM if Path(path).exists()), None)
    if found is None:
        _lacking("needs chromium: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """``visit(server, width=320)``: a fresh visitor's page, whose errors fail the test."""
    contexts, errors = [], []

    def open_page(server: Server, width: int = 1280, height: int = 900, **more: Any) -> Any:
        contexts.append(chromium.new_context(viewport={"width": width, "height": height}, **more))
        page = contexts[-1].new_page()
        page.set_default_timeout(40_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(f"a dialog: {dialog.message}"))
        page.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)
        page.goto(server.url)
        page.locator("#tools").wait_for(state="visible")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
