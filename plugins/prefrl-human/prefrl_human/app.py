"""The page and its few addresses: what is next, an answer, the robot's progress, clips. All state is in the store."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from prefrl.errors import PrefrlError, RunError
from prefrl.types import Item, Text
from prefrl_human import clips, live
from prefrl_human.answers import Refused, Sent
from prefrl_human.guard import MAX_BODY
from prefrl_human.place import Place
from prefrl_human.session import AHEAD, Conflict, Serving, Session, Unknown, clip_of

Result = TypeVar("Result")
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".svg": "image/svg+xml"}  # fmt: skip
FOREVER = "private, max-age=31536000, immutable"  # a clip's name is its content
ITEM = re.compile(r"[0-9a-f]{64}")


def _page() -> dict[str, bytes]:
    """File name -> content of the page; nothing else is ever read by a name that came from outside."""
    folder = resources.files("prefrl_human") / "page"
    return {file.name: file.read_bytes() for file in folder.iterdir() if Path(file.name).suffix in TYPES}


class Desk:
    """Answers requests; everything that touches the store runs in one thread, the clerk's, in the order it came."""

    def __init__(self, session: Session, place: Place, renderer: clips.Renderer) -> None:
        self._session, self._place, self._renderer = session, place, renderer
        self._clerk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="clerk")
        self._page = _page()
        self._newest: tuple[int, Path] | None = None

    def app(self) -> Starlette:
        """The application, without its guard."""
        return Starlette(
            routes=[
                Route("/", self.index),
                Route("/page/{name}", self.page),
                Route("/api/session", self.session),
                Route("/api/next", self.next),
                Route("/api/answers", self.answer, methods=["POST"]),
                Route("/api/live", self.live),
                Route("/clips/{item}/{camera}.mp4", self.clip),
                Route("/newest/{step}.mp4", self.newest),
            ]
        )

    async def _by_clerk(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._clerk, work, *arguments)

    def close(self) -> None:
        """Finish what was begun."""
        self._clerk.shutdown(wait=True)

    # --- the page --------------------------------------------------------------------------------------------------

    async def index(self, request: Request) -> Response:
        return self._file("index.html")

    async def page(self, request: Request) -> Response:
        return self._file(request.path_params["name"])

    def _file(self, name: str) -> Response:
        if name not in self._page:
            return _error(404, "There is no such file.")
        return Response(self._page[name], media_type=TYPES[Path(name).suffix], headers={"cache-control": "no-cache"})

    async def session(self, request: Request) -> Response:
        """What the page says before the first question."""
        options, env = self._place.options, self._session.data.env
        return JSONResponse({
            "data_set": self._session.data.name, "who": request.scope["who"], "task": env.task, "env": env.id,
            "instructions": options.instructions, "ask": options.ask, "watch": options.watch,
            "cameras": ["first", *options.cameras] if options.cameras else [], "run": self._place.run is not None,
        })  # fmt: skip

    # --- questions and answers -------------------------------------------------------------------------------------

    async def next(self, request: Request) -> Response:
        """The question to show now, and those to make ready."""
        try:
            return JSONResponse(await self._by_clerk(self._next, request.scope["who"]))
        except RunError as error:
            return _error(503, str(error))

    def _next(self, who: str) -> dict[str, Any]:
        servings = self._session.upcoming(who, AHEAD)
        items = [item.id for serving in servings for item in serving.query.items if clip_of(item) is not None]
        self._renderer.want(items)
        answered, left = self._session.answered(who), self._session.left()
        wanted = self._place.answers
        return {
            "queries": [self._shown(serving) for serving in servings],
            "answered": answered,
            "total": max(wanted if wanted is not None else answered + left, answered + min(left, 1)),
            "left": left,
            "pace": self._session.pace(who),
        }

    def _shown(self, serving: Serving) -> dict[str, Any]:
        kind = serving.query.kind
        if kind == "ranking" and self._place.options.ask == "best":
            kind = "choice"
        return {
            "query": serving.query.id, "revision": serving.revision, "kind": kind, "question": serving.query.question,
            "least": self._session.least(serving.query), "clips": [self._clip(item) for item in serving.segments],
        }  # fmt: skip

    def _clip(self, item: Item) -> dict[str, Any]:
        if isinstance(item, Text):
            return {"prompt": item.prompt, "completion": item.completion, "ready": True}
        segment = clip_of(item)
        if segment is None:
            return {"ready": False, "problem": "This candidate has no clip."}
        sources = [f"/clips/{item.id}/{number}.mp4" for number in range(len(clips.cameras(self._place)))]
        shown: dict[str, Any] = {"sources": sources, "steps": len(segment), "ready": self._renderer.ready(item.id)}
        if item.id in self._renderer.problems:
            shown["problem"] = self._renderer.problems[item.id]
        if self._place.options.overlay:
            units = self._session.data.env.factors
            shown["overlay"] = [
                {"name": name, "unit": units[name].unit, "values": [round(float(v), 4) for v in segment.factors[name]]}
                for name in self._place.options.overlay
                if name in segment.factors
            ]
        return shown

    async def answer(self, request: Request) -> Response:
        """One answer; it is on disk before this says so."""
        try:
            sent = Sent.model_validate(json.loads(await _body(request)))
        except ClientDisconnect:
            return _error(400, "The answer was cut off.")
        except _TooLong:
            return _error(413, "An answer may have 64 kB.")
        except (ValidationError, ValueError, RecursionError):
            return _error(400, "This is no answer.")
        try:
            answered = await self._by_clerk(self._session.answer, request.scope["who"], sent)
        except Unknown as error:
            return _error(404, str(error))
        except Conflict as error:
            return _error(409, str(error))
        except Refused as error:
            return _error(422, str(error))
        except RunError as error:
            return _error(503, str(error))
        except PrefrlError as error:
            return _error(422, str(error))
        return JSONResponse({"saved": str(sent.id), "answered": answered})

    # --- the robot -------------------------------------------------------------------------------------------------

    async def live(self, request: Request) -> Response:
        """How the robot gets on; without a run there is nothing to say."""
        return JSONResponse(await asyncio.to_thread(self._live))

    def _live(self) -> dict[str, Any]:
        found = live.progress(self._place.run)
        if found is None:
            return {"run": None}
        newest = live.newest_episode(self._place.run)
        if newest is not None and newest[0] != (self._newest or (-1, None))[0]:
            self._newest = newest
            self._renderer.newest(newest[1], self._newest_clip(newest[0]))
        if self._newest is not None and self._newest_clip(self._newest[0]).exists():
            found["clip"] = f"/newest/{self._newest[0]}.mp4"
            found["clip_step"] = self._newest[0]
        return {"run": found}

    def _newest_clip(self, step: int) -> Path:
        return self._place.clips / f"newest-{step}.mp4"

    async def newest(self, request: Request) -> Response:
        step = request.path_params["step"]
        if not (step.isascii() and step.isdigit()) or len(step) > 12:
            return _error(404, "There is no such clip.")
        return _video(self._newest_clip(int(step)))

    async def clip(self, request: Request) -> Response:
        item, camera = request.path_params["item"], request.path_params["camera"]
        if not ITEM.fullmatch(item) or camera not in map(str, range(len(clips.cameras(self._place)))):
            return _error(404, "There is no such clip.")
        return _video(clips.path_of(self._place, item, int(camera)))


def _video(path: Path) -> Response:
    if not path.is_file():
        return _error(404, "There is no such clip.")
    return FileResponse(path, media_type="video/mp4", headers={"cache-control": FOREVER})


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


class _TooLong(Exception):
    pass


async def _body(request: Request) -> bytes:
    """Whatever length was announced."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise _TooLong
    return body
