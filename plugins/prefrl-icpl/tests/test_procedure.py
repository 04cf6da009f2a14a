"""Whole runs with a language model's server that does as it is told, and policies that take no time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import prefrl_icpl
from prefrl.errors import ConfigError, EnvironmentMissing, RunError
from prefrl.sandbox import tiers
from prefrl_icpl import procedure, proposals, standings
from prefrl_icpl.chat.conversation import Conversation
from prefrl_icpl.options import IcplOptions
from prefrl_icpl.training import Workshop

pytestmark = pytest.mark.usefixtures("sandbox")
BROKEN = "```python\ndef reward(obs, action, next_obs, factors):\n    return factors['speed'], {}\n```"
REFUSED = "```python\nimport os\ndef reward(obs, action, next_obs, factors):\n    return obs[:, 0], {}\n```"


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals.Proposals, "_tried", lambda self, text: None)


def rounds(run: Path) -> list[dict[str, Any]]:
    """Without what a clock says."""
    said = json.loads((run / "icpl" / standings.FILE).read_text())
    return [{key: value for key, value in one.items() if key != "seconds"} for one in said]


def prompt(run: Path, place: str) -> str:
    record = json.loads((run / "icpl" / "replies" / f"{place}.json").read_text())
    return "\n".join(message["content"] for message in record["messages"])


def test_a_run_from_the_first_prompt_to_a_policy(fake: Any, start: Callable[..., Path], shortcut: None) -> None:
    fake.script = [BROKEN, REFUSED, "I cannot."]  # wrong three times: another reply is asked for, and another
    run = start(fake.url)
    first, second = rounds(run)
    assert first["candidates"] == ["round-1-a-again-3", "round-1-b"]
    kept = {path.stem: json.loads(path.read_text())["fault"] for path in (run / "icpl" / "discarded").glob("*.json")}
    assert kept == {
        "round-1-a": "line 2: KeyError: 'speed'",
        "round-1-a-again-1": "line 1: 'import os' is not allowed; `import numpy as np` is.",
        "round-1-a-again-2": "there is no `def reward(obs, action, next_obs, factors):` in the reply.",
    }
    assert "line 2: KeyError: 'speed'" in prompt(run, "round-1-a-again-1")
    best = (run / "icpl" / "programs" / f"{first['best']}.py").read_text()
    told = prompt(run, "round-2-a")
    assert f"## The best program so far\n\n```python\n{best.strip()}\n```" in told
    assert "## The worst program of the last round" in told
    assert (
        "- total: [0.1, 0.12, 0.14, 0.16, 0.18, 0.21, 0.23, 0.25, 0.27, 0.29], max 0.29, mean 0.195, min 0.1" in told
        or "- total: [0, " in told
    )
    assert set(second["order"][0] + second["order"][-1]) <= {*second["candidates"], first["best"]}
    assert len([name for tier in second["order"] for name in tier]) == 3  # the best so far is ranked again
    assert (second["comparisons"], second["steps"]) == (3, 2 * 2 * 2048)
    assert fake.paid == len(fake.asked) == 7
    assert second["tokens"] == 7 * 150
    assert json.loads((run / "icpl" / "best.json").read_text())[0] == f"programs/{second['best']}.py"
    assert (run / "model.zip").exists()
    assert json.loads((run / "sections" / "icpl.json").read_text())["title"] == "ICPL"


def test_the_counter_says_49(fake: Any, start: Callable[..., Path], shortcut: None, untried: None) -> None:
    assert standings.comparisons(6, 5) == 49
    run = start(fake.url, candidates=6, rounds=5)
    assert rounds(run)[-1]["comparisons"] == 49
    assert fake.paid == 30


class Killed(BaseException):
    """As good as kill -9 to everything that would tidy up."""


PHASES: dict[str, tuple[type, str, int]] = {
    "before a call": (Conversation, "ask", 3),
    "training": (Workshop, "train", 1),
    "ranking": (procedure.Icpl, "_order", 1),
    "evaluation": (procedure.Icpl, "_conclude", 2),
}


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_that_is_killed_goes_on_without_paying_twice(
    phase: str, fake: Any, start: Callable[..., Path], shortcut: None, untried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rounds(start(fake.url, name="whole"))
    paid = fake.paid
    fake.asked.clear()
    owner, name, calls = PHASES[phase]
    plain, count = getattr(owner, name), 0

    def deadly(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == calls:
            raise Killed
        return plain(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, deadly)
        with pytest.raises(Killed):
            start(fake.url, name="killed")
    run = start(fake.url, name="killed", resume=True)
    assert fake.paid == 2 * paid
    assert rounds(run) == whole


# --- switches --------------------------------------------------------------------------------------------------------


def test_open_loop_tells_nothing(fake: Any, start: Callable[..., Path], shortcut: None, untried: None) -> None:
    run = start(fake.url, feedback=False)
    assert prompt(run, "round-2-a") == prompt(run, "round-1-b")


def test_without_traces_and_differences(fake: Any, start: Callable[..., Path], shortcut: None, untried: None) -> None:
    told = prompt(start(fake.url, traces=False, differences=False, elitism=False), "round-2-a")
    assert "The best program so far" in told
    assert "during training:" not in told


def test_eureka_asks_nobody_and_says_that_it_is_privileged(
    fake: Any, start: Callable[..., Path], shortcut: None, untried: None
) -> None:
    run = start(fake.url, choose="task_score")
    assert rounds(run)[-1]["comparisons"] == 0
    assert "Task score of its policy: " in prompt(run, "round-2-a")
    assert json.loads((run / "sections" / "icpl.json").read_text())["title"] == "ICPL (privileged)"
    assert (run / "run_log.jsonl").read_text() == "" if (run / "run_log.jsonl").exists() else True


# --- the true reward never reaches the model --------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*The reward is a NaN value")
def test_prompts_are_the_same_whatever_the_true_reward_is(
    fake: Any, start: Callable[..., Path], shortcut: None, untried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source ranks by a factor that gives no reward away; the reward is replaced by NaN."""
    from prefrl_envs import reach

    plain = reach.TASK.rewards
    sources = {"heron": {"ranking": ["extension"], "margin": 0.0}}

    script = [
        f"```python\n{text}```"
        for text in ("def reward(obs, action, next_obs, factors):\n    return obs[:, 0], {}\n",) * 8
    ]
    told = []
    for name in ("seen", "unseen"):
        fake.script = list(script)
        monkeypatch.setattr(
            procedure.Icpl, "_order", lambda self, context, number, found, progress: tuple((one.name,) for one in found)
        )
        run = start(fake.url, name=name, sources=sources)
        told.append([prompt(run, path.stem) for path in sorted((run / "icpl" / "replies").glob("*.json"))])
        object.__setattr__(reach.TASK, "rewards", lambda *_: {"near": np.array([np.nan])})
    object.__setattr__(reach.TASK, "rewards", plain)
    assert len(told[0]) == 4
    assert told[0] == told[1]


def test_no_part_of_the_plugin_declares_that_it_needs_the_true_reward() -> None:
    specs = [*prefrl_icpl.prefrl_register_sources(), *prefrl_icpl.prefrl_register_reward_models()]
    for spec in specs:
        for privileged in (False, True):
            options = spec.options.model_construct(privileged=privileged)
            assert "true_reward" not in spec.needs_of(options)
            assert ("privileged_factors" in spec.needs_of(options)) == privileged


# --- mistakes --------------------------------------------------------------------------------------------------------


def test_what_cannot_work_is_refused_first(
    fake: Any, start: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = SimpleNamespace(sources={}, feedback=SimpleNamespace(items=6))
    with pytest.raises(ConfigError, match=r"sources: the procedure 'icpl' asks"):
        procedure.Icpl(IcplOptions())._check(SimpleNamespace(settings=nobody))
    some = SimpleNamespace(sources={"oracle": {}}, feedback=SimpleNamespace(items=2))
    with pytest.raises(
        ConfigError, match=r"feedback.items: 2 clips per question, but procedure.candidates is 6; make them equal"
    ):
        procedure.Icpl(IcplOptions())._check(SimpleNamespace(settings=some))
    with monkeypatch.context() as patched:
        patched.setattr(tiers, "obstacle", lambda tier: f"no {tier}; `apt install bubblewrap`.")
        with pytest.raises(EnvironmentMissing, match=r"no strict; `apt install bubblewrap`"):
            start(fake.url, name="b")
    with pytest.raises(EnvironmentMissing, match=r"There is no key for example.org"):
        start("https://example.org/v1", name="c")
    assert fake.asked == []


def test_too_many_replies_that_cannot_be_used(fake: Any, start: Callable[..., Path]) -> None:
    fake.script = ["no"] * 9
    with pytest.raises(
        RunError, match=r"None of 2 replies for candidate a of round 1 can be used .the last: there is no `def reward"
    ):
        start(fake.url, tries=2)
    assert fake.paid == 2


def test_nobody_answers(
    fake: Any, start: Callable[..., Path], shortcut: None, untried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procedure.Icpl, "_order", lambda *_: ())
    with pytest.raises(RunError, match=r"no ranking was answered"):
        start(fake.url)


# --- standings -------------------------------------------------------------------------------------------------------


def test_best_and_worst_of_a_ranking_with_ties() -> None:
    order = (("a", "e"), ("b",), ("c", "d"))
    assert standings.best_of(order, None) == "a"
    assert standings.best_of(order, "e") == "e"  # the best so far is not given up for a tie
    assert standings.best_of((), "e") == "e"
    assert standings.worst_of(order, ("a", "b", "c", "d"), "a") == "d"
    assert standings.worst_of((("a", "b"),), ("a",), "a") is None
    assert standings.by_score({"a": 1.0, "b": 3.0}) == (("b",), ("a",))
