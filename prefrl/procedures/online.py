"""The preference loop: pretrain, then ask, fit and learn by turns to the end of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefrl.options import NoOptions
from prefrl.queries.schedule import rounds_of
from prefrl.specs import Learner, RunContext


class Online:
    """Christiano et al. 2017: answers are asked for while the policy learns, over the whole run.

    Asking goes on to the end because a reward model fitted to early behaviour alone stops describing the policy it drives.
    """

    def run(self, context: RunContext) -> None:
        settings = context.settings
        total = settings.algo.n_timesteps
        learner = context.learner()
        context.evaluate(learner.policy)
        context.pretrain()
        context.fit(round=0)  # answers the data set holds already
        asking = rounds_of(settings.feedback, learner.steps, total) if context.asks else []
        for number, (step, answers) in enumerate(asking, start=1):
            self._advance(context, learner, step)
            context.ask(context.select(answers, number), number)
            context.fit(number)
            context.checkpoint(self.state_dict())
        self._advance(context, learner, total)
        context.evaluate(learner.policy, final=True)

    def _advance(self, context: RunContext, learner: Learner, target: int) -> None:
        """Learn up to `target` steps, evaluating on the way, at half time at the latest."""
        every = min(context.settings.evaluate.every, max(1, context.settings.algo.n_timesteps // 2))
        while learner.steps < target:
            due = (learner.steps // every + 1) * every
            learner.advance(min(due, target) - learner.steps)
            if learner.steps >= due and due < context.settings.algo.n_timesteps:
                context.evaluate(learner.policy)

    def state_dict(self) -> Mapping[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The schedule follows from the settings and the learner's steps."""


def online(options: NoOptions) -> Online:
    """Builder."""
    return Online()
