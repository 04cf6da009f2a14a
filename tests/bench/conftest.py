"""A suite of eight runs, and an executor that makes them in this process, or makes them up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prefrl.bench.cells import Cell, cells_of
from prefrl.bench.suite import Suite, open_suite
from prefrl.bench.work import Outcome, Work
from prefrl.plugins import PluginHost

TINY = Path(__file__).parents[1] / "data" / "tiny_suite.yaml"


@pytest.fixture(scope="session")
def host() -> PluginHost:
    return PluginHost.from_environment()


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copy(TINY, tmp_path / "suite.yaml"))


@pytest.fixture
def suite(tiny: Path) -> Suite:
    return open_suite(tiny)


@pytest.fixture
def cells(suite: Suite, host: PluginHost) -> list[Cell]:
    return cells_of(suite, host)


def evaluation(step: int, values: list[float], labels: int = 0) -> dict[str, Any]:
    return {
        "step": step, "preferences": labels, "seeds": [10000 + i for i in range(len(values))], "true_return": values,
        "learned_return": values, "length": [50] * len(values), "success": None, "rank_correlation": 0.5, "accuracy": 0.75,
        "metrics": {},
    }  # fmt: skip


def raw(
    value: float, *, random: float = -10.0, labels: int = 0, config: str = "", seconds: float = 2.0
) -> dict[str, bytes]:
    """The files of a made-up cell whose final return is `value`."""
    lines = [evaluation(0, [random]), evaluation(256, [(random + value) / 2], labels), evaluation(512, [value], labels)]
    return {
        "config.yaml": config.encode(),
        "manifest.json": json.dumps({"versions": {"prefrl": "0.1.0"}, "started": 1.0}).encode(),
        "evaluations.jsonl": "".join(f"{json.dumps(line)}\n" for line in lines).encode(),
        "random.json": json.dumps(evaluation(0, [random])).encode(),
        "timing.json": json.dumps({"total": seconds, "fit": 0.5}).encode(),
    }


@pytest.fixture(name="raw")
def _raw() -> Callable[..., dict[str, bytes]]:
    return raw


@pytest.fixture
def made_up() -> type[MadeUp]:
    return MadeUp


class MadeUp:
    """An executor whose cells return `value(work)` at once; those for which it is an exception fail."""

    def __init__(self, value: Callable[[Work], float | Exception]) -> None:
        self._value = value
        self.made: list[str] = []

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        raise NotImplementedError

    def completed(self, function: Callable[[Any], Any], items: Iterable[Work]) -> Iterator[tuple[int, Any]]:
        for number, work in enumerate(items):
            self.made.append(work.key)
            value = self._value(work)
            if isinstance(value, Exception):
                yield number, Outcome(work.key, {}, 1.0, str(value), "line 1\nline 2")
            else:
                labels = 0 if "true_reward" in work.config else 8
                yield number, Outcome(work.key, raw(value, labels=labels, config=work.config), 2.0)
