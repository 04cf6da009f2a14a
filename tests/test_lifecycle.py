"""One plugin with every hook, one run: the calls in their order are those that docs/lifecycle.md shows."""

from __future__ import annotations

import functools
import json
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


Lived = tuple[Calls, Any]


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
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    calls = Calls()
    shown = re.search(r"^```yaml\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert shown is not None
    changes = {"evaluate": {"episodes": 1, "final_episodes": 1}, **yaml.safe_load(shown[1])}
    return calls, runs.run(tmp_path_factory.mktemp("lived"), plugins=[calls.plugin], changes=changes)


def test_the_calls_are_those_of_the_page_in_their_order(lived: Lived) -> None:
    shown = re.search(r"^```text\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert [line.split("  ")[0] for line in shown[1].splitlines()] == list(told(lived[0].made))


def written(lived: Lived) -> list[str]:
    """By the observers."""
    lines: list[str] = (lived[1].folder / "example.txt").read_text().splitlines()
    return lines


def test_the_example_implements_every_hook() -> None:
    hooks = {name for name in vars(hookspecs) if name.startswith("prefrl_")}
    assert {name for name, hook in vars(prefrl_example).items() if hasattr(hook, "prefrl_impl")} == hooks


# --- each hook, by what the run owes to it ---------------------------------------------------------------------------


def offered(lived: Lived, kind: str) -> Any:
    (spec,) = (
        spec
        for name, spec in lived[1]._host.specs(kind).items()
        if name.startswith("example_") and "teacher" not in name
    )
    return spec


def count(lived: Lived, call: str) -> int:
    return lived[0].made.count(call)


def test_prefrl_register_sources(lived: Lived) -> None:
    assert {answer.source for answer in lived[1]._log.current.values()} == {offered(lived, "sources").name}
    assert count(lived, "preference source: label") == 2


def test_prefrl_register_selectors(lived: Lived) -> None:
    whys = [query.why for query in lived[1]._log.queries.values()]
    assert sum(why.startswith("moved ") for why in whys) == 6  # of the second round, once something is known
    assert offered(lived, "selectors").name == lived[1].settings.queries.selector


def test_prefrl_register_reward_models(lived: Lived) -> None:
    assert (type(lived[1].reward).__name__, lived[1].reward.version) == ("Linear", 2)
    assert offered(lived, "reward_models").trained


def test_prefrl_register_losses(lived: Lived) -> None:
    assert offered(lived, "losses").kinds == {"pair"}
    assert '"acc"' in (lived[1].folder / "fits.jsonl").read_text()


def test_prefrl_register_learners(lived: Lived) -> None:
    assert (type(lived[1].learner()).__name__, lived[1].learner().steps) == ("Climber", 512)
    assert offered(lived, "learners").name == "example_climber"


def test_prefrl_register_procedures(lived: Lived) -> None:
    rounds = [query.round for query in lived[1]._log.queries.values()]
    assert rounds == [1] * 6 + [2] * 6
    assert offered(lived, "procedures").name == "example_twice"


def test_prefrl_register_executors(lived: Lived) -> None:
    from prefrl.options import NoOptions

    assert list(offered(lived, "executors").build(NoOptions()).map(abs, [-1, 2])) == [1, 2]


def test_prefrl_register_augmentations(lived: Lived) -> None:
    assert count(lived, "augmentation: windows") >= 4  # at least one batch in each of two epochs of two fits
    assert offered(lived, "augmentations").name == "example_halves"


def test_prefrl_register_label_filters(lived: Lived) -> None:
    assert count(lived, "label filter: apply") == 2
    assert not offered(lived, "label_filters").corrects_noise


def test_prefrl_register_bonuses(lived: Lived) -> None:
    assert count(lived, "bonus: rewards") == (512 - 128) // 64  # once per rollout
    assert offered(lived, "bonuses").options().scale == 0.01


def test_prefrl_register_pretrainers(lived: Lived) -> None:
    assert count(lived, "pretrainer: run") == 1
    assert min(line["step"] for line in asked(lived)) == 128
    assert offered(lived, "pretrainers").name == "example_random"


def test_prefrl_register_replay_samplers(lived: Lived) -> None:
    from prefrl.options import NoOptions

    rows = offered(lived, "replay_samplers").build(NoOptions(), None).rows(10, 100, np.random.default_rng(0))
    assert set(rows.tolist()) == {5, 6, 7, 8, 9}


def asked(lived: Lived) -> list[dict[str, Any]]:
    lines = (lived[1].folder / "run_log.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if "query" in line]


def test_prefrl_on_preferences(lived: Lived) -> None:
    assert written(lived)[0::2][:2] == ["step 128: 6 answers", "step 256: 6 answers"]


def test_prefrl_on_reward_trained(lived: Lived) -> None:
    assert [line for line in written(lived) if "reward model" in line] == [
        "step 128: reward model 1 from 6 answers", "step 256: reward model 2 from 12 answers",
    ]  # fmt: skip


def test_prefrl_on_policy_evaluated(lived: Lived) -> None:
    assert written(lived)[-2] == "step 512: evaluated on 1 episodes"


def test_prefrl_on_run_ended(lived: Lived) -> None:
    assert written(lived)[-1] == "step 512: ok"


def test_prefrl_render_segment(lived: Lived) -> None:
    """Clips of unknown worlds are drawn by the plugin that knows them, all others by MuJoCo."""
    (clip, *_) = segments()
    host = lived[1]._host
    asked = {"size": 16, "camera": None}
    assert host.answer("render_segment", segment=clip, **asked) is None
    frames = host.answer("render_segment", segment=replace(clip, env_id="Example-v0"), **asked)
    assert (frames.shape, frames.dtype) == ((len(clip), 16, 16, 3), np.uint8)
    assert frames.min() < frames.max()
