"""Learning on the way of a run: looks and checkpoints fall on their multiples, and a policy begins as another one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prefrl.errors import ConfigError
from prefrl.procedures.learning import begin_as, learn


class Learner:
    """Advances in rollouts of so many steps."""

    def __init__(self, rollout: int = 1, steps: int = 0) -> None:
        self.steps, self.rollout = steps, rollout
        self.policy = SimpleNamespace(state_dict=dict, load_state_dict=self.load)
        self.loaded: list[Any] = []

    def advance(self, steps: int) -> None:
        assert steps > 0
        self.steps += -(-steps // self.rollout) * self.rollout

    def load(self, state: Any) -> None:
        if isinstance(state, Exception):
            raise state
        self.loaded.append(state)


class Context:
    """What happened, at which step."""

    def __init__(self, learner: Learner, total: int, evaluate: int, checkpoint: int, saved: Any = None) -> None:
        self.settings = SimpleNamespace(
            algo=SimpleNamespace(n_timesteps=total), evaluate=SimpleNamespace(every=evaluate),
            checkpoint=SimpleNamespace(every=checkpoint),
        )  # fmt: skip
        self.learner, self.saved = learner, saved
        self.evaluated: list[int] = []
        self.checkpoints: list[int] = []

    def evaluate(self, policy: Any) -> None:
        assert policy is self.learner.policy
        self.evaluated.append(self.learner.steps)

    def checkpoint(self) -> None:
        self.checkpoints.append(self.learner.steps)

    def build_context(self, name: str) -> Any:
        assert name == "start"
        return SimpleNamespace(saved_policy=lambda where: SimpleNamespace(state_dict=lambda: self.saved))


@pytest.mark.parametrize(
    ("rollout", "total", "evaluate", "checkpoint", "looks", "saves"),
    [
        (1, 100, 30, 40, [30, 60, 90], [40, 80]),
        (1, 100, 1000, 1000, [50], []),  # half time at the latest
        (1, 100, 50, 1000, [50], []),  # never at the very end: the procedure looks there itself
        (8, 100, 30, 40, [32, 64, 96], [40, 80]),  # whole rollouts, the first that reach it
        (64, 128, 16, 1000, [64, 128], []),  # one look for several multiples at once
        (1, 1, 10, 10, [], []),
    ],
)
def test_looks_and_checkpoints_fall_on_their_multiples(
    rollout: int, total: int, evaluate: int, checkpoint: int, looks: list[int], saves: list[int]
) -> None:
    learner: Any = Learner(rollout)
    context: Any = Context(learner, total, evaluate, checkpoint)
    learn(context, learner, total)
    assert learner.steps >= total
    assert (context.evaluated, context.checkpoints) == (looks, saves)


def test_learning_goes_on_from_where_it_is() -> None:
    learner: Any = Learner(steps=60)
    context: Any = Context(learner, 100, 30, 1000)
    learn(context, learner, 90)
    assert (learner.steps, context.evaluated) == (90, [90])
    learn(context, learner, 90)
    assert (learner.steps, context.evaluated) == (90, [90])


def test_nothing_to_begin_as_leaves_the_policy_alone() -> None:
    learner: Any = Learner()
    context: Any = Context(learner, 1, 1, 1, saved={"w": 1})
    begin_as(learner, None, context)
    assert learner.loaded == []
    begin_as(learner, "runs/other", context)
    assert learner.loaded == [{"w": 1}]


@pytest.mark.parametrize("error", [RuntimeError("size mismatch\nfor layer 1"), KeyError("critic"), ValueError("x")])
def test_the_policy_of_another_algorithm_is_refused_in_a_sentence(error: Exception, tmp_path: Path) -> None:
    learner: Any = Learner()
    with pytest.raises(ConfigError) as caught:
        begin_as(learner, "runs/other", Context(learner, 1, 1, 1, saved=error))  # type: ignore[arg-type]  # all it uses
    assert str(caught.value).startswith(
        "procedure.start: runs/other holds the policy of another algorithm, task or net"
    )
    assert "\n" not in str(caught.value)


def test_a_bug_in_loading_keeps_its_traceback() -> None:
    learner: Any = Learner()
    with pytest.raises(ZeroDivisionError):
        begin_as(learner, "runs/other", Context(learner, 1, 1, 1, saved=ZeroDivisionError()))  # type: ignore[arg-type]  # as above
