"""A run's context in, its stages in an order of one's own; independent calls in, their results out."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prefrl.specs import NoOptions, RunContext


class Twice:
    """A procedure, written with `RunContext` alone: half of the questions before the policy learns, half in the middle."""

    def __init__(self, options: NoOptions) -> None:
        self._asked = 0  # rounds

    def run(self, context: RunContext) -> None:
        """From where `load_state_dict` left it: a resumed run does not repeat a round."""
        total, questions = context.settings.algo.n_timesteps, context.settings.feedback.total
        learner = context.learner()
        if not self._asked:
            context.pretrain()
        for number, n in list(enumerate((questions // 2, questions - questions // 2), start=1))[self._asked :]:
            if learner.steps < (due := (number - 1) * total // 2):
                learner.advance(due - learner.steps)
            if context.asks:
                context.ask(context.select(n, number), number)
            context.fit(number)
            self._asked = number
            context.checkpoint()
        learner.advance(total - learner.steps)
        context.evaluate(learner.policy, final=True)

    def state_dict(self) -> Mapping[str, Any]:
        """What it has done already."""
        return {"asked": self._asked}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._asked = state["asked"]


class InTurn:
    """An executor: independent calls, one after the other."""

    def __init__(self, options: NoOptions) -> None:
        """Nothing to set."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Results in the order of the items; an exception is raised where its result would stand."""
        return map(function, items)

    def completed(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """(number of the item, result) as each call ends; one that raised has its exception as result."""
        for number, item in enumerate(items):
            try:
                yield number, function(item)
            except Exception as error:  # noqa: BLE001  whatever a call raises is its result
                yield number, error
