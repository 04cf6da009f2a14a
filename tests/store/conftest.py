"""An environment, segments and queries small enough to write many of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from prefrl.store import DataSet, Store, open_store
from prefrl.types import EnvInfo, Factor, Query, Segment

Make = Callable[[int], Segment]


@pytest.fixture
def env() -> EnvInfo:
    factors = {"speed": Factor("speed", "m/s", privileged=True), "height": Factor("height", "m", privileged=False)}
    return EnvInfo("Toy-v0", (3,), (2,), max_episode_steps=50, dt=0.05, factors=factors, costs=("energy",), task="walk")


@pytest.fixture
def segment() -> Make:
    def make(seed: int) -> Segment:
        rng = np.random.default_rng(seed)
        return Segment.of(
            rng.normal(size=(5, 3)).astype(np.float32),
            rng.normal(size=(4, 2)).astype(np.float32),
            true_reward=rng.normal(size=4),
            policy_action=rng.normal(size=(4, 2)).astype(np.float32),
            log_prob=rng.normal(size=4),
            cost={"energy": rng.random(4)},
            factors={"speed": rng.normal(size=4), "height": rng.normal(size=4)},
            states=rng.normal(size=(5, 7)),
            terminated=True,
            dt=2,
            env_id="Toy-v0",
            episode="e1",
            start=seed,
            extras={"pose": rng.normal(size=(4, 2))},
        )

    return make


@pytest.fixture
def pair(segment: Make) -> Callable[[int], Query]:
    """Query number i, about two segments."""
    return lambda i: Query.of("run", i, [segment(2 * i), segment(2 * i + 1)], why=f"disagreement 0.{i}")


@pytest.fixture(scope="session")
def server(program: Callable[[str], ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL server of this session's own; its database prefrl_0 is an empty store."""
    with program("store/postgres.py").Server(tmp_path_factory.mktemp("pg") / "s") as running:
        open_store(running.database(), tmp_path_factory.mktemp("pg0")).close()
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def url(request: pytest.FixtureRequest) -> str | None:
    """Of an empty store, one kind of database after the other; None is the default one, under `tmp_path`.

    Indirectly parametrised, "blank" is a database of Postgres without any tables.
    """
    if request.param == "sqlite":
        return None
    server = request.getfixturevalue("server")
    return str(server.database("prefrl_0") if request.param == "postgres" else server.database())


@pytest.fixture
def reopen(url: str | None, tmp_path: Path) -> Callable[[], Store]:
    """The store `url`, opened once more."""
    return lambda: open_store(url, tmp_path)


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Iterator[Store]:
    with reopen() as opened:
        yield opened


@pytest.fixture
def data(store: Store, env: EnvInfo) -> DataSet:
    return store.data_set("toy", env)
