"""The preference loop in words: what it does in which order, where it asks, and where it goes on after a stop."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from prefrl.procedures.online import Online
from prefrl.procedures.options import OnlineOptions
from prefrl.settings import FeedbackSettings


class Learner:
    policy = "policy"

    def __init__(self, done: list[str]) -> None:
        self.steps, self.done = 0, done

    def advance(self, steps: int) -> None:
        self.steps += steps
        self.done.append(f"learn to {self.steps}")


class Context:
    """Does nothing, and writes down in words what it was told to do."""

    def __init__(self, *, asks: bool = True, total: int = 100, stop: str = "") -> None:
        self.done: list[str] = []
        self.asks, self.stop = asks, stop
        self.settings = SimpleNamespace(
            algo=SimpleNamespace(n_timesteps=total), evaluate=SimpleNamespace(every=10**9),
            checkpoint=SimpleNamespace(every=10**9), feedback=FeedbackSettings(total=9, rounds=3, schedule="decaying"),
        )  # fmt: skip
        self._learner = Learner(self.done)

    def say(self, words: str) -> None:
        if self.stop and words.startswith(self.stop):
            raise KeyboardInterrupt
        self.done.append(words)

    def learner(self) -> Learner:
        return self._learner

    def evaluate(self, policy: str, final: bool = False) -> None:
        assert policy == "policy"
        self.say(f"evaluate at {self._learner.steps}{' for the last time' if final else ''}")

    def pretrain(self) -> None:
        self._learner.steps += 40
        self.say("pretrain")

    def fit(self, round: int) -> None:
        self.say(f"fit {round}")

    def select(self, n: int, round: int) -> list[int]:
        self.say(f"select {n} in round {round}")
        return [0] * n

    def ask(self, queries: list[int], round: int) -> None:
        self.say(f"ask {len(queries)} in round {round}")

    def checkpoint(self) -> None:
        self.say("checkpoint")


WHOLE = [
    "evaluate at 0", "pretrain", "fit 0",
    "select 5 in round 1", "ask 5 in round 1", "fit 1", "checkpoint",
    "learn to 50", "evaluate at 50", "learn to 60",  # half time
    "select 3 in round 2", "ask 3 in round 2", "fit 2", "checkpoint",
    "learn to 80", "select 1 in round 3", "ask 1 in round 3", "fit 3", "checkpoint",
    "learn to 100", "evaluate at 100 for the last time",
]  # fmt: skip


def run(context: Any, procedure: Online | None = None) -> Online:
    procedure = procedure or Online(OnlineOptions())
    procedure.run(context)
    return procedure


def test_ask_fit_and_learn_by_turns_to_the_end() -> None:
    context = Context()
    procedure = run(context)
    assert context.done == WHOLE
    assert procedure.state_dict() == {"begun": 40, "rounds": 3}


def test_without_anybody_to_ask_it_only_learns() -> None:
    context = Context(asks=False)
    run(context)
    assert context.done == [
        "evaluate at 0", "pretrain", "fit 0", "learn to 50", "evaluate at 50", "learn to 100",
        "evaluate at 100 for the last time",
    ]  # fmt: skip


@pytest.mark.parametrize("stop", ["pretrain", "fit 1", "ask 3", "fit 2", "select 1", "evaluate at 100"])
def test_after_a_stop_it_repeats_the_round_and_nothing_before_it(stop: str) -> None:
    """Its state is taken at checkpoints, and before the first there is none: it begins again."""
    first: Any = Context(stop=stop)
    procedure = Online(OnlineOptions())
    saved = dict(procedure.state_dict())
    steps = 0

    def checkpoint() -> None:
        nonlocal saved, steps
        first.done.append("checkpoint")
        saved, steps = dict(procedure.state_dict()), first._learner.steps

    first.checkpoint = checkpoint
    with pytest.raises(KeyboardInterrupt):
        procedure.run(first)
    again = Online(OnlineOptions())
    again.load_state_dict(saved)
    second: Any = Context()
    second._learner.steps = steps
    again.run(second)
    kept = [i for i, words in enumerate(WHOLE) if words == "checkpoint"][: first.done.count("checkpoint")]
    assert second.done == WHOLE[kept[-1] + 1 if kept else 0 :]


def test_a_resumed_run_keeps_the_rounds_it_planned_at_first() -> None:
    """The plan depends on where asking began, not on where the run was taken up again."""
    procedure = Online(OnlineOptions())
    procedure.load_state_dict({"begun": 40, "rounds": 1})
    context: Any = Context()
    context._learner.steps = 40
    run(context, procedure)
    assert context.done == WHOLE[WHOLE.index("checkpoint") + 1 :]
