"""Before the first question a run acts at random, or learns to reach states it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from prefrl.options import NoOptions
from prefrl.pretrain import EntropyExploration, random_actions
from prefrl.rewards.entropy import StateEntropy
from prefrl.rewards.options import EntropyOptions
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo


class Context:
    """As much of a run as a pretrainer sees; writes down what happens under which reward."""

    def __init__(self) -> None:
        self.reward: Any = "the run's own"
        self.log: list[tuple[str, int, Any]] = []

    def learner(self) -> Any:
        return self

    def explore(self, steps: int) -> None:
        self.log.append(("explore", steps, self.reward))

    def advance(self, steps: int) -> None:
        self.log.append(("advance", steps, self.reward))

    def build_context(self, name: str) -> BuildContext:
        return BuildContext(run="run", name=name, seed=0, env=EnvInfo("Toy-v0", (1,), (1,)))

    @contextmanager
    def rewarded_by(self, reward: Any) -> Iterator[None]:
        self.reward = reward
        yield
        self.reward = "the run's own"


def test_random_actions_are_taken_without_learning() -> None:
    context: Any = Context()
    random_actions(NoOptions()).run(context, 800)
    assert context.log == [("explore", 800, "the run's own")]


def test_exploration_learns_from_state_entropy_and_leaves_the_runs_reward_in_place() -> None:
    context: Any = Context()
    EntropyExploration(EntropyOptions(neighbours=2, reference=7)).run(context, 800)
    ((what, steps, reward),) = context.log
    assert (what, steps) == ("advance", 800)
    assert isinstance(reward, StateEntropy)
    assert reward.state_dict()["held"].shape == (7, 1)
    assert context.reward == "the run's own"
    assert np.isfinite(reward.state_dict()["seen"])
