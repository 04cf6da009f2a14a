from __future__ import annotations

import re

import pytest

from prefrl.rollout.environments import describe, make
from prefrl.sandbox import ProgramFault
from prefrl.settings import EnvSettings
from prefrl_icpl import environment, prompts
from prefrl_icpl.prompts import Outcome

TASKS = ["prefrl_envs:Reach-v0", "prefrl_envs:Cheetah-v0", "prefrl_envs:Walker-v0", "prefrl_envs:PointMaze-v0", "prefrl_envs:ArmPush-v0",
         "HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Reacher-v5", "InvertedPendulum-v5"]  # fmt: skip
OLD = Outcome(
    "round-1-a", "def reward():\n    x = 1\n    return x\n", {"near": [float(i) for i in range(100)], "total": [0.5]}
)
NEW = Outcome("round-2-b", "def reward():\n    x = 2\n    return x\n", {"near": [1.0, 2.0]})
BAD = Outcome("round-2-c", "def reward():\n    return bad\n", {"far": [3.0]})


def later(*best: Outcome, worst: Outcome | None = BAD, traces: bool = True, differences: bool = True) -> str:
    return prompts.later("ENVIRONMENT", best, worst, traces=traces, differences=differences)[-1]["content"]


def test_the_second_prompt_holds_best_worst_traces_and_differences() -> None:
    text = later(OLD, NEW)
    assert text.startswith("ENVIRONMENT")
    assert "## The best program so far\n\n```python\ndef reward():\n    x = 2\n    return x\n```" in text
    assert "## The worst program of the last round\n\n```python\ndef reward():\n    return bad\n```" in text
    assert "- near: [1, 2], max 2, mean 1.5, min 1" in text
    assert "- far: [3], max 3, mean 3, min 3" in text
    assert "-    x = 1\n+    x = 2" in text
    assert (
        "## Components of the best program of round 1\n\n- near: [0, 11, 22, 33, 44, 55, 66, 77, 88, 99], max 99, mean 49.5, min 0"
        in text
    )


def test_switches_leave_their_part_out() -> None:
    plain = later(OLD, NEW, worst=None, traces=False, differences=False)
    assert "max" not in plain
    assert "```diff" not in plain
    assert "worst program" not in plain
    assert "```diff" in later(OLD, NEW, traces=False)
    assert "```diff" not in later(OLD, OLD)
    assert "Task score of its policy: 3.25" in later(Outcome("a", "x", {}, 3.25))


def test_a_mended_program_is_asked_for_with_what_was_wrong() -> None:
    messages = prompts.again(prompts.first("E"), "my reply", "line 3: KeyError: 'z'")
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert "line 3: KeyError: 'z'" in messages[-1]["content"]


@pytest.mark.parametrize(("reply", "text"), [
    ("```python\ndef reward(x): pass\n```", "def reward(x): pass\n"),
    ("First\n```python\ndef helper(): pass\n```\nthen\n```py\ndef reward(x): pass\n```\nDone.", "def reward(x): pass\n"),
    ("```\ndef reward(x): 1\n```\nbetter:\n```\ndef reward(x): 2\n```", "def reward(x): 2\n"),
    ("def reward(x): pass", "def reward(x): pass\n"),
])  # fmt: skip
def test_the_program_of_a_reply(reply: str, text: str) -> None:
    assert prompts.program_of(reply) == text


@pytest.mark.parametrize("reply", ["I cannot do that.", "```python\nx = 1\n```", ""])
def test_a_reply_without_a_program(reply: str) -> None:
    with pytest.raises(ProgramFault, match="there is no `def reward"):
        prompts.program_of(reply)


# --- nothing of the reward -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_nothing_that_a_model_is_told_stems_from_the_reward(task: str) -> None:
    env = make(EnvSettings(id=task))
    info = describe(env, task)
    code = environment.step_code(env, info)
    env.close()
    text = environment.described(info, None, privileged=False, code=code)
    hidden = [*info.costs, *(name for name, factor in info.factors.items() if factor.privileged)]
    told = text.split("## Factors")[1]
    assert [name for name in hidden if re.search(rf"\b{name}\b", told)] == []
    assert not re.search("rew|bonus|healthy|success|ctrl_cost", code)
    assert info.task in text
    if hidden and any(factor.privileged for factor in info.factors.values()):
        assert any(name in environment.described(info, None, privileged=True, code="") for name in hidden)


def test_the_step_that_is_shown_is_the_one_that_makes_the_observation() -> None:
    env = make(EnvSettings(id="HalfCheetah-v5"))
    code = environment.step_code(env, describe(env, "HalfCheetah-v5"))
    assert code.startswith(
        "def step(self, action):\n    self.do_simulation(action, self.frame_skip)\n    observation = self._get_obs()\n    return observation"
    )


class Telling:
    """Code from which the reward cannot be cut off."""

    unwrapped = property(lambda self: self)

    def step(self, action):
        distance_cost = self.simulate(action)
        observation = [distance_cost]
        return observation, -distance_cost, False, False, {}

    def _get_obs(self):
        return [self.reward_so_far]


def test_code_that_cannot_be_told_from_the_reward_is_not_shown() -> None:
    env = make(EnvSettings(id="prefrl_envs:Reach-v0"))
    assert environment.step_code(Telling(), describe(env, "prefrl_envs:Reach-v0")) == ""


def test_words_of_ones_own_for_the_task() -> None:
    env = make(EnvSettings(id="prefrl_envs:Reach-v0"))
    assert "## The task\n\nDraw a circle.\n" in environment.described(
        describe(env, "x"), "Draw a circle.", privileged=False, code=""
    )
