"""Attempts from one start are compared, and the policy is fitted to the answers, by turns: preferences as language models
get them (completions of one prompt), for robots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from prefrl.errors import ConfigError
from prefrl.specs import PolicyTrained, RunContext
from prefrl.types import Array, Episode, Query, Segment
from prefrl_llm.imitation import imitate
from prefrl_llm.options import SameStartOptions
from prefrl_llm.outcome import Outcome

FIRST_SEED = 30_000  # of what is compared: starts of evaluation are left alone
AT_ONCE = 16  # episodes stepped together
TRIES = 4  # attempts that are all alike say nothing; so many times the starts that are needed are tried


class SameStart:
    """Supervised learning, then rounds of attempts, questions and fits; the reference stays what it was after the first.

    A clip is the first `feedback.segment` decisions of an episode. Each question is about `feedback.items` attempts from
    one start, which the policy of that round made, its actions sampled.
    """

    def __init__(self, options: SameStartOptions) -> None:
        self._options = options

    def run(self, context: RunContext) -> None:
        reward, settings = context.reward, context.settings
        if not isinstance(reward, PolicyTrained):
            raise ConfigError(
                "procedure.name: 'same_start' fits a policy to answers and no reward model: set reward: {model: policy, "
                "log_prob: density}, or procedure: {name: online}."
            )
        if not settings.sources:
            raise ConfigError("sources: the procedure 'same_start' asks which attempt is better; name a source.")
        policy: Any = context.learner().policy
        if self._options.sft.updates:
            self._imitate(context, policy)
        reward.adopt(policy)
        context.evaluate(policy)
        outcome = Outcome(context, getattr(policy, "reference", None) or policy.frozen(), self._options.held_out)
        starts = iter(range(FIRST_SEED, 2**31))
        per_round = np.diff(np.linspace(0, settings.feedback.total, settings.feedback.rounds + 1).astype(int))
        for number, wanted in enumerate(per_round.tolist(), 1):
            queries = self._questions(context, policy, wanted, number, starts)
            outcome.add(queries, context.ask(queries, number))
            context.fit(number)
        context.evaluate(policy, final=True)
        outcome.write(policy)

    def _imitate(self, context: RunContext, policy: Any) -> None:
        sft, rng, actions = self._options.sft, context.rng("sft"), context.env.discrete_actions
        if actions is None:
            raise ConfigError("procedure.sft: imitating any action needs discrete ones; set sft: {updates: 0}.")
        episodes = _episodes(context, AnyAction(actions, rng), sft.episodes, FIRST_SEED - sft.episodes)
        obs = np.concatenate([np.asarray(episode.obs[:-1]) for episode in episodes])
        said = np.concatenate([np.asarray(episode.action) for episode in episodes])
        loss = imitate(policy, obs, said, sft, rng)
        context.log({"sft/loss": loss})

    def _questions(
        self, context: RunContext, policy: Any, wanted: int, number: int, starts: Iterator[int]
    ) -> list[Query]:
        """`wanted` questions, each about different attempts from one start."""
        settings = context.settings
        items, length = settings.feedback.items, settings.feedback.segment
        kind: Any = "pair" if items == 2 else "ranking"
        run = f"{settings.run.name}/{settings.run.seed}"
        queries: dict[str, Query] = {}  # small tasks repeat themselves
        for first in range(0, TRIES * wanted, AT_ONCE):
            seeds = [next(starts) for _ in range(min(AT_ONCE, TRIES * wanted - first))]
            attempts = [context.collect(Sampled(policy), len(seeds), seeds[0]) for _ in range(items)]
            for of_one_start in zip(*attempts, strict=True):
                clips = {clip.id: clip for clip in (beginning(episode, length) for episode in of_one_start)}
                if len(clips) == items and len(queries) < wanted:
                    query = Query.of(run, number, tuple(clips.values()), kind=kind, why="one start")
                    queries[query.id] = query
            if len(queries) == wanted:
                break
        return list(queries.values())

    def state_dict(self) -> Mapping[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """A resumed run begins anew; what was answered is in the data set and is not asked twice."""


def _episodes(context: RunContext, policy: Any, n: int, seed: int) -> list[Episode]:
    found: list[Episode] = []
    for first in range(0, n, AT_ONCE):
        found += context.collect(policy, min(AT_ONCE, n - first), seed + first)
    return found


def beginning(episode: Episode, length: int) -> Segment:
    """The first decisions of an episode, copied."""
    n = min(length, len(episode))

    def head(values: Any, more: int = 0) -> Any:
        return None if values is None else np.array(values[: n + more])

    return Segment.of(
        head(episode.obs, 1),
        head(episode.action),
        true_reward=head(episode.true_reward),
        cost={name: head(each) for name, each in episode.cost.items()},
        factors={name: head(each) for name, each in episode.factors.items()},
        states=head(episode.states, 1),
        terminated=episode.terminated and n == len(episode),
        dt=episode.dt,
        env_id=episode.env_id,
        episode=episode.id,
    )


class Sampled:
    """A policy that draws its actions."""

    def __init__(self, policy: Any) -> None:
        self._policy = policy

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        return np.asarray(self._policy.act(obs, deterministic=False))


class AnyAction:
    """Uniformly random actions."""

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        self._n, self._rng = n, rng

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        return self._rng.integers(self._n, size=len(obs))
