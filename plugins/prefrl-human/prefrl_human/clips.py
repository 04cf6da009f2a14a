"""Items in, clips as files out, drawn by processes of their own while people watch and robots learn.

A server talks to one renderer (``python -m prefrl_human.clips``) by lines of JSON: the place first, then what is wanted
next. While nobody wants anything it prepares what is open. It reads the store itself, so nothing but ids travels.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from prefrl.errors import PrefrlError
from prefrl.rendering import render_clips
from prefrl.store import DataSet
from prefrl.types import Segment
from prefrl_human.place import Place
from prefrl_human.session import clip_of

BATCH = 6  # clips drawn by one process: the first is ready after about a second
IDLE = 0.5  # seconds between looks at what is open
NEWEST = 200  # steps of the newest policy's clip, at most
HIDDEN = {"true_reward", "factors", "cost", "extras", "policy_action", "log_prob"}


def path_of(place: Place, item: str, camera: int = 0) -> Path:
    """Of an item's clip; camera 0 is the task's own or the configured one, then the further ones."""
    name = f"{item}.mp4" if camera == 0 else f"{item}.{place.options.cameras[camera - 1]}.mp4"
    return place.clips / name


def cameras(place: Place) -> Sequence[str | None]:
    """The one that is shown first, then those a person may switch to."""
    return (place.camera, *place.options.cameras)


# --- in the server ---------------------------------------------------------------------------------------------------


class Renderer:
    """The rendering process as its server sees it: started when a clip is missing, and again if it ends."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._ready: set[Path] = set()
        self.problems: dict[str, str] = {}  # item id -> why there is no clip of it
        self._process: subprocess.Popen[str] | None = None
        self._listening: threading.Thread | None = None

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "prefrl_human.clips"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(self._place.model_dump_json() + "\n")
        self._listening = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listening.start()

    def _listen(self, lines: TextIO) -> None:
        for line in lines:
            said = json.loads(line)
            self.problems[said["item"]] = said["problem"]

    def _say(self, line: Any) -> None:
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()

    def ready(self, item: str) -> bool:
        """Whether the clip of an item is there, from every camera."""
        paths = [path_of(self._place, item, camera) for camera in range(len(cameras(self._place)))]
        self._ready |= {path for path in paths if path not in self._ready and path.exists()}
        return self._ready.issuperset(paths)

    def want(self, items: Iterable[str]) -> None:
        """Draw these first."""
        missing = [item for item in items if not self.ready(item) and item not in self.problems]
        if not missing:
            return
        self._say({"items": missing})

    def newest(self, episode: Path, clip: Path) -> None:
        """Draw the policy's newest episode."""
        self._say({"episode": str(episode), "clip": str(clip)})

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._listening is not None:
                self._listening.join(5)
            assert self._process.stdout is not None
            self._process.stdout.close()


# --- the process -----------------------------------------------------------------------------------------------------


class Studio:
    """Draws what is wanted, else what is open."""

    def __init__(self, place: Place, data: Callable[[str], DataSet]) -> None:
        self._place, self._data = place, data
        self._done: set[str] = set()

    def draw(self, items: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Make the clips of `items` that are missing; (item, why not) of those that cannot be made."""
        wanted = [item for item in dict.fromkeys(items) if item not in self._done and not self._there(item)]
        for first in range(0, len(wanted), BATCH):
            batch = wanted[first : first + BATCH]
            yield from self._batch(batch)
            self._done |= set(batch)

    def _there(self, item: str) -> bool:
        return all(path_of(self._place, item, camera).exists() for camera in range(len(cameras(self._place))))

    def _batch(self, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
        found = {key: clip_of(item) for key, item in self._data(self._place.data_set).items(ids, HIDDEN).items()}
        clips = {key: clip for key, clip in found.items() if clip is not None and key in ids}
        try:
            self._render(clips)
        except PrefrlError as error:
            for key in clips:
                yield key, str(error)

    def _render(self, clips: Mapping[str, Segment]) -> None:
        for number, camera in enumerate(cameras(self._place)):
            paths = {key: path_of(self._place, key, number) for key in clips}
            missing = [key for key, path in paths.items() if not path.exists()]
            render_clips(
                [clips[key] for key in missing], [paths[key] for key in missing],
                env_kwargs=self._place.env_kwargs, size=self._place.size, camera=camera,
            )  # fmt: skip

    def newest(self, episode: Path, clip: Path) -> None:
        """A clip of a saved episode; the ones before it go."""
        env_id = self._data(self._place.data_set).env.id
        with np.load(episode, allow_pickle=False) as arrays:
            if "states" not in arrays or clip.exists():
                return
            obs, action, states = (arrays[name] for name in ("obs", "action", "states"))
        shown = slice(0, NEWEST)
        segment = Segment.of(obs[: NEWEST + 1], action[shown], states=states[: NEWEST + 1], env_id=env_id)
        with contextlib.suppress(PrefrlError):  # said already about every other clip
            render_clips([segment], [clip], env_kwargs=self._place.env_kwargs, size=self._place.size)
            for old in clip.parent.glob("newest-*.mp4"):
                if old != clip:
                    old.unlink(missing_ok=True)

    def open_items(self, n: int) -> list[str]:
        """Items of the first open questions."""
        data = self._data(self._place.data_set)
        ids = data.open_queries()[:n]
        return [item.id for query in data.queries(ids, HIDDEN | {"states"}).values() for item in query.items]


def main() -> int:
    """Read orders from stdin until it ends; the exit status."""
    place = Place.model_validate_json(sys.stdin.readline())
    orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(orders,), daemon=True).start()
    with place.store() as store:
        studio = Studio(place, store.data_set)
        while True:
            try:
                order = orders.get(timeout=IDLE)
            except queue.Empty:
                order = {"items": studio.open_items(8)[:BATCH]}
            if order is None:
                return 0
            if "episode" in order:
                studio.newest(Path(order["episode"]), Path(order["clip"]))
                continue
            for item, problem in studio.draw(order["items"]):
                sys.stdout.write(json.dumps({"item": item, "problem": problem}) + "\n")
                sys.stdout.flush()


def _read(orders: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    for line in sys.stdin:
        orders.put(json.loads(line))
    orders.put(None)


if __name__ == "__main__":
    sys.exit(main())
