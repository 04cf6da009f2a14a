"""One plugin with every hook, one run: the calls in their order are those that docs/lifecycle.md shows."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

import prefrl_example
from prefrl import hookspecs
from prefrl.doors import Found, PluginRecord
from prefrl.plugins import KINDS
from prefrl.specs import Spec, hookimpl
from prefrl.testing import runs
from prefrl.testing.examples import segments

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")
STATE = {"state_dict", "load_state_dict"}  # of every part, at each checkpoint


class Calls:
    """The plugin, writing down what is called."""

    def __init__(self) -> None:
        self.made: list[str] = []
        hooks = {
            name: self._hook(name, hook) for name, hook in vars(prefrl_example).items() if hasattr(hook, "prefrl_impl")
        }
        self.plugin = Found(PluginRecord("example", "this test"), lambda: SimpleNamespace(**hooks))

    def _hook(self, name: str, hook: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.made.append(name)
            answer = hook(*arguments)
            kind = name.removeprefix("prefrl_register_")
            return [self._watched(spec, KINDS[kind][1]) for spec in answer] if kind in KINDS else answer

        return hookimpl(functools.wraps(hook)(call))

    def _watched(self, spec: Spec, noun: str) -> Spec:
        def build(*arguments: Any) -> Any:
            self.made.append(f"{noun}: built")
            built = spec.build(*arguments)
            for name, method in vars(type(built)).items():
                if callable(method) and not name.startswith("_") and name not in STATE:
                    setattr(built, name, self._noted(f"{noun}: {name}", getattr(built, name)))
            return built

        return replace(spec, build=build)

    def _noted(self, line: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.made.append(line)
            return method(*arguments, **named)

        return call


def told(calls: Sequence[str]) -> Iterator[str]:
    """The calls, of those that repeat in between (each batch, each rollout) the first alone."""
    since: set[str] = set()
    for call in calls:
        if call.startswith("prefrl_") or call.endswith(
            (": built", ": run", ": advance", ": select", ": label", ": fitted")
        ):
            since.clear()
        if call not in since:
            yield call
        since.add(call)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Calls, Any]:
    calls = Calls()
    shown = re.search(r"^```yaml\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert shown is not None
    changes = {"evaluate": {"episodes": 1, "final_episodes": 1}, **yaml.safe_load(shown[1])}
    return calls, runs.run(tmp_path_factory.mktemp("lived"), plugins=[calls.plugin], changes=changes)


def test_the_calls_are_those_of_the_page_in_their_order(lived: tuple[Calls, Any]) -> None:
    shown = re.search(r"^```text\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert [line.split("  ")[0] for line in shown[1].splitlines()] == list(told(lived[0].made))


def test_the_observers_wrote_what_they_saw(lived: tuple[Calls, Any]) -> None:
    assert (lived[1].folder / "example.txt").read_text().splitlines() == [
        "step 128: 6 answers", "step 128: reward model 1 from 6 answers",
        "step 256: 6 answers", "step 256: reward model 2 from 12 answers",
        "step 512: evaluated on 1 episodes", "step 512: ok",
    ]  # fmt: skip


def test_the_example_implements_every_hook() -> None:
    hooks = {name for name in vars(hookspecs) if name.startswith("prefrl_")}
    assert {name for name, hook in vars(prefrl_example).items() if hasattr(hook, "prefrl_impl")} == hooks


def test_clips_of_unknown_worlds_are_drawn_by_the_plugin_that_knows_them(lived: tuple[Calls, Any]) -> None:
    (clip, *_) = segments()
    host = lived[1]._host
    asked = {"size": 16, "camera": None}
    assert host.answer("render_segment", segment=clip, **asked) is None
    frames = host.answer("render_segment", segment=replace(clip, env_id="Example-v0"), **asked)
    assert (frames.shape, frames.dtype) == ((len(clip), 16, 16, 3), np.uint8)
    assert frames.min() < frames.max()
