"""Built-in pretrainers: what a run does before it asks its first question."""

from __future__ import annotations

from prefrl.options import NoOptions
from prefrl.rewards.entropy import StateEntropy
from prefrl.rewards.options import EntropyOptions
from prefrl.specs import RunContext


class RandomActions:
    """Uniformly random actions, without learning."""

    def run(self, context: RunContext, steps: int) -> None:
        context.learner().explore(steps)


class EntropyExploration:
    """Learns to visit states unlike those seen before (Lee et al. 2021, PEBBLE, 4.1)."""

    def __init__(self, options: EntropyOptions) -> None:
        self._options = options

    def run(self, context: RunContext, steps: int) -> None:
        entropy = StateEntropy(self._options, context.build_context("pretrain"))
        with context.rewarded_by(entropy):
            context.learner().advance(steps)


def random_actions(options: NoOptions) -> RandomActions:
    """Builder."""
    return RandomActions()
