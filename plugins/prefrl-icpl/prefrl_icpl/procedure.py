"""The rounds of ICPL (Liang et al. 2024, arXiv 2410.17233): programs, policies, a ranking, and what is told of it.

Everything it does lies in the folder icpl of the run the moment it is done, and is found there by a run that is resumed:
it has no state of its own.
"""

from __future__ import annotations

import string
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from prefrl.errors import ConfigError, RunError
from prefrl.sandbox import require
from prefrl.specs import Policy, RunContext
from prefrl.types import Candidate, Episode, Query, Segment
from prefrl_icpl import environment, prompts, standings
from prefrl_icpl.options import IcplOptions
from prefrl_icpl.prompts import Message, Outcome
from prefrl_icpl.proposals import TRIED_STEPS, Proposal, Proposals
from prefrl_icpl.standings import Round
from prefrl_icpl.traces import read_traces
from prefrl_icpl.training import Workshop

CLIP_SEED = 20_000  # of the episode that is ranked: the same for all, and none of evaluation's
TRIED_SEED = 30_000  # of the steps that programs are tried on


@dataclass
class Progress:
    """What later rounds build on."""

    rounds: list[Round] = field(default_factory=list)
    known: dict[str, Proposal] = field(default_factory=dict)
    bests: list[Outcome] = field(default_factory=list)  # one per round that had one
    worst: Outcome | None = None

    @property
    def best(self) -> str | None:
        return self.rounds[-1].best if self.rounds else None


class Icpl:
    """K programs a round, each resampled until it runs; K policies; their clips ranked by any source; N rounds."""

    def __init__(self, options: IcplOptions) -> None:
        self._options = options

    def run(self, context: RunContext) -> None:
        self._check(context)
        self._begin(context)
        progress = Progress()
        for number in range(1, self._options.rounds + 1):
            begun = time.monotonic()
            proposals = self._trained(number, self._messages(progress))
            progress.known |= {one.name: one for one in proposals}
            order = self._order(context, number, proposals, progress)
            self._conclude(context, number, proposals, order, progress, begun)
        if progress.best is None:
            raise RunError(
                "procedure icpl: no ranking was answered, so there is no best program; resume when somebody answers."
            )
        learner = context.learner()
        policy: Any = learner.policy
        saved: Any = self._policy(context, progress.best)
        policy.load_state_dict(saved.state_dict())
        context.evaluate(learner.policy, final=True)

    # --- before the first round --------------------------------------------------------------------------------------

    def _check(self, context: RunContext) -> None:
        options, settings = self._options, context.settings
        require(options.sandbox)
        if options.choose == "answers" and not settings.sources:
            raise ConfigError("sources: the procedure 'icpl' asks which policy's clip is better; name a source.")
        if settings.feedback.items != options.candidates:
            raise ConfigError(
                f"feedback.items: {settings.feedback.items} clips per question, but procedure.candidates is "
                f"{options.candidates}; make them equal."
            )

    def _begin(self, context: RunContext) -> None:
        options, folder = self._options, context.folder / "icpl"
        folder.mkdir(exist_ok=True)
        base = yaml.safe_load((context.folder / "config.yaml").read_text(encoding="utf-8"))
        self._workshop = Workshop(folder / "policies", base, options)
        steps: list[Episode] = []
        while sum(map(len, steps)) < TRIED_STEPS:
            steps += context.collect(context.learner().policy, 1, TRIED_SEED + len(steps))
        self._proposals = Proposals(folder, options, context.env, steps, self._workshop)
        self._text = self._described(context)

    def _described(self, context: RunContext) -> str:
        """All that is told of the task."""
        code = ""
        make = context.build_context("icpl").make_env
        if self._options.code and make is not None:
            env = make()
            code = environment.step_code(env, context.env)
            env.close()
        return environment.described(context.env, self._options.task, privileged=self._options.privileged, code=code)

    # --- one round ---------------------------------------------------------------------------------------------------

    def _messages(self, progress: Progress) -> list[Message]:
        options = self._options
        if not options.feedback or not progress.bests:
            return prompts.first(self._text)
        return prompts.later(
            self._text, progress.bests, progress.worst, traces=options.traces, differences=options.differences
        )

    def _trained(self, number: int, messages: Sequence[Message]) -> list[Proposal]:
        """K programs with a policy each. One that fails in training is replaced as one that never ran."""
        letters = string.ascii_lowercase[: self._options.candidates]
        while True:
            proposals = [self._proposals.proposal(number, letter, messages) for letter in letters]
            self._workshop.train({one.name: one.file for one in proposals})
            if all(self._proposals.usable(one.name) for one in proposals):
                return proposals

    def _order(
        self, context: RunContext, number: int, proposals: Sequence[Proposal], progress: Progress
    ) -> tuple[tuple[str, ...], ...]:
        """Names by rank, the best tier first, the best of earlier rounds among them."""
        ranked = list(proposals)
        if self._options.elitism and progress.best is not None:
            ranked.append(progress.known[progress.best])
        if self._options.choose == "task_score":
            return standings.by_score({one.name: self._workshop.score(one.name) for one in ranked})
        items = [Candidate(one.name, one.text, self._clip(context, one.name)) for one in ranked]
        kind = "pair" if len(items) == 2 else "ranking"
        query = Query.of(context.name, number, items, kind=kind, why=f"round {number}")  # type: ignore[arg-type]  # mypy widens the literal
        answers = context.ask([query], number)
        return standings.order_of([one.name for one in ranked], answers[0] if answers else None)

    def _clip(self, context: RunContext, name: str) -> Segment:
        (episode,) = context.collect(self._policy(context, name), 1, CLIP_SEED)
        steps = min(len(episode), context.settings.feedback.segment)
        return Segment.of(
            episode.obs[: steps + 1], episode.action[:steps],
            true_reward=None if episode.true_reward is None else episode.true_reward[:steps],
            cost={key: values[:steps] for key, values in episode.cost.items()},
            factors={key: values[:steps] for key, values in episode.factors.items()},
            states=None if episode.states is None else episode.states[: steps + 1],
            terminated=episode.terminated and steps == len(episode), dt=episode.dt, env_id=episode.env_id, episode=name,
        )  # fmt: skip

    def _policy(self, context: RunContext, name: str) -> Policy:
        read = context.build_context("icpl").saved_policy
        assert read is not None
        return read(str(self._workshop.run_of(name)))

    def _conclude(
        self, context: RunContext, number: int, proposals: Sequence[Proposal], order: tuple[tuple[str, ...], ...],
        progress: Progress, begun: float,
    ) -> None:  # fmt: skip
        names = tuple(one.name for one in proposals)
        best = standings.best_of(order, progress.best if self._options.elitism else None)
        worst = standings.worst_of(order, names, best)
        if best is not None:
            progress.bests.append(self._outcome(progress.known[best]))
        progress.worst = None if worst is None else self._outcome(progress.known[worst])
        true = float("nan") if best is None else context.evaluate(self._policy(context, best)).mean_return
        asked = standings.comparisons(self._options.candidates, number) if self._options.choose == "answers" else 0
        steps = number * len(names) * context.settings.algo.n_timesteps
        progress.rounds.append(
            Round(number, names, order, best, worst, asked, self._proposals.conversation.tokens(number), steps, true,
                  time.monotonic() - begun)
        )  # fmt: skip
        privileged = self._options.privileged or self._options.choose == "task_score"
        standings.write(context.folder, progress.rounds, "ICPL (privileged)" if privileged else "ICPL")

    def _outcome(self, proposal: Proposal) -> Outcome:
        run = self._workshop.run_of(proposal.name)
        score = self._workshop.score(proposal.name) if self._options.choose == "task_score" else None
        return Outcome(proposal.name, proposal.text, read_traces(run), score)

    def state_dict(self) -> Mapping[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """All it knows is in the run folder."""
