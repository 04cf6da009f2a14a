"""A data set with clips of a few kilobytes, served in this process or another, and a browser where there is one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


def lacking(reason: str) -> None:
    """Skip, and say so in the list at the end of all tests; with CI set, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"CI is set, and this {reason}", pytrace=False)
    pytest.skip(reason)


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
    """``place(overlap=2)``: the data set `toy` on these terms."""

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
