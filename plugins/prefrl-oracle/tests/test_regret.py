"""The regret teacher judges how a clip acts, not where it began, and no potential added to the reward changes its mind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import prefrl_oracle
from prefrl.errors import PluginError
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Choice, EnvInfo, Preference, Query, Segment, Text, Tiers
from prefrl_oracle.regret import regret

_, SPEC, *_ = prefrl_oracle.prefrl_register_sources()
VALUES = np.array([0.0, -1.0, -2.0, -3.0, -4.0])  # of a chain that costs 1 a step, by the distance to its end
NEARER, FARTHER = -1.0, 1.0


class Chain:
    """An expert on the chain under reward -1 + potential(s') - potential(s)."""

    def __init__(self, potential: np.ndarray) -> None:
        self.potential, self.asked = potential, 0

    def advantage(self, obs: np.ndarray, action: np.ndarray, samples: int) -> np.ndarray:
        self.asked = samples
        here = obs[:, 0].astype(int)
        there = here + action[:, 0].astype(int)
        values = VALUES - self.potential
        rewards = -1 + self.potential[there] - self.potential[here]
        return np.asarray(rewards + values[there] - values[here])


def walk(start: float, *moves: float) -> Segment:
    places = np.cumsum([start, *moves])[:, None]
    return Segment.of(places, np.array(moves)[:, None], true_reward=np.full(len(moves), -1.0))


TOWARDS, BACK_AND_FORTH = walk(3, NEARER, NEARER), walk(2, FARTHER, NEARER)


def ask(*queries: Query, expert: Any = None, **options: Any) -> list[Preference]:
    context = BuildContext(
        run="run", name="regret", seed=0, env=EnvInfo("Chain-v0", (1,), (1,)),
        saved_policy=lambda name: expert or Chain(np.zeros(5)),
    )  # fmt: skip
    source = SPEC.build(SPEC.options(policy="expert", **options), context)
    return list(source.label(queries, AskContext(step=0, round=0, rng=np.random.default_rng())))


def chance(expert: Chain, beta: float = 1.0) -> float:
    """P(the clip that walks towards the goal is preferred)."""
    lost = [regret(expert.advantage(clip.obs[:-1], clip.action, 1)) for clip in (TOWARDS, BACK_AND_FORTH)]
    return float(1 / (1 + np.exp(-beta * (lost[1] - lost[0]))))


def test_the_chain() -> None:
    assert TOWARDS.true_reward is not None
    assert BACK_AND_FORTH.true_reward is not None
    assert TOWARDS.true_reward.sum() == BACK_AND_FORTH.true_reward.sum()  # the return cannot tell: P = 0.5
    assert chance(Chain(np.zeros(5))) == pytest.approx(0.880797, abs=1e-6)
    assert ask(Query.of("run", 0, [BACK_AND_FORTH, TOWARDS]))[0].answer == Tiers(((1,), (0,)))


def test_a_potential_changes_nothing() -> None:
    for seed in range(5):
        potential = np.random.default_rng(seed).normal(scale=10, size=5)
        assert chance(Chain(potential)) == pytest.approx(chance(Chain(np.zeros(5))), abs=1e-9)


def test_its_errors_are_as_likely_as_beta_says() -> None:
    queries = [Query.of("run", i, [TOWARDS, BACK_AND_FORTH]) for i in range(3000)]
    right = np.mean([answer.answer == Tiers(((0,), (1,))) for answer in ask(*queries, beta=0.5)])
    assert right == pytest.approx(chance(Chain(np.zeros(5)), 0.5), abs=0.025)  # three standard deviations


def test_rankings_choices_and_what_is_not_its_business() -> None:
    items = [BACK_AND_FORTH, TOWARDS, walk(1, FARTHER, FARTHER)]
    ranking, choice, cost = (
        Query.of("run", 0, items, kind=kind, question=question)  # type: ignore[arg-type]  # kinds as strings
        for kind, question in [("ranking", "reward"), ("choice", "reward"), ("ranking", "cost:energy")]
    )
    assert [p.answer for p in ask(ranking, choice, cost)] == [Tiers(((1,), (0,), (2,))), Choice(1)]


def test_the_expert_is_asked_as_the_options_say() -> None:
    expert = Chain(np.zeros(5))
    ask(Query.of("run", 0, [TOWARDS, BACK_AND_FORTH]), expert=expert, samples=7)
    assert expert.asked == 7


def test_it_judges_clips_alone() -> None:
    with pytest.raises(PluginError, match=r"The regret teacher judges robot clips; item \w+ is a text without one"):
        ask(Query.of("run", 0, [Text("go", "left"), Text("go", "right")]))
