"""The preference loop: pretrain, then ask, fit and learn by turns to the end of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefrl.procedures.learning import begin_as, learn
from prefrl.procedures.options import OnlineOptions
from prefrl.queries.schedule import rounds_of
from prefrl.specs import RunContext


class Online:
    """Christiano et al. 2017: answers are asked for while the policy learns, over the whole run.

    Asking goes on to the end because a reward model fitted to early behaviour alone stops describing the policy it drives.
    """

    def __init__(self, options: OnlineOptions) -> None:
        self._options = options
        self._begun: int | None = None  # step of the first round; None before and during pretraining
        self._rounds = 0  # asked so far

    def run(self, context: RunContext) -> None:
        settings = context.settings
        total = settings.algo.n_timesteps
        learner = context.learner()
        if self._begun is None:
            begin_as(learner, self._options.start, context)
            context.evaluate(learner.policy)
            context.pretrain()
            context.fit(round=0)  # answers the data set holds already
            self._begun = learner.steps
        asking = rounds_of(settings.feedback, self._begun, total) if context.asks else []
        for number, (step, answers) in list(enumerate(asking, start=1))[self._rounds :]:
            learn(context, learner, step)
            context.ask(context.select(answers, number), number)
            context.fit(number)
            self._rounds = number
            context.checkpoint()
        learn(context, learner, total)
        context.evaluate(learner.policy, final=True)

    def state_dict(self) -> Mapping[str, Any]:
        return {"begun": self._begun, "rounds": self._rounds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._begun, self._rounds = state["begun"], state["rounds"]
