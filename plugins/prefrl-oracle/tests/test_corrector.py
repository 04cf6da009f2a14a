"""The corrector answers, and does the worse clip again where that helps; the pair says what was wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import prefrl_oracle
from prefrl.errors import PluginError
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Correction, EnvInfo, Preference, Query, Segment, Tiers

SPEC = next(spec for spec in prefrl_oracle.prefrl_register_sources() if spec.name == "corrector")
EXPERT = object()


def clip(worth: float, place: float = 0.0) -> Segment:
    return Segment.of(
        np.full((4, 1), place), np.full((3, 1), worth), true_reward=np.full(3, worth), states=np.zeros((4, 2))
    )


def ask(queries: list[Query], simulate: Callable[..., Segment] | None, **options: Any) -> list[Any]:
    context = BuildContext("run", "corrector", 0, EnvInfo("Line-v0", (1,), (1,)), saved_policy=lambda name: EXPERT)
    source = SPEC.build(SPEC.options(policy="expert", **options), context)
    return list(source.label(queries, AskContext(0, 0, np.random.default_rng(0), simulate=simulate)))


def queries(n: int) -> list[Query]:
    return [Query.of("run", 0, [clip(1.0, i), clip(-1.0, i)]) for i in range(n)]


def test_the_worse_clip_is_done_again_from_where_it_began() -> None:
    calls = []

    def simulate(bad: Segment, policy: object, steps: int) -> Segment:
        calls.append((bad.true_reward, policy, steps))
        return clip(5.0, bad.obs[0, 0])

    answer, correction = ask(queries(1), simulate)
    assert isinstance(answer, Preference)
    assert answer.answer == Tiers(((0,), (1,)))
    assert isinstance(correction, Correction)
    better, worse = correction.query.items
    assert isinstance(better, Segment)
    assert isinstance(worse, Segment)
    assert (better.true_reward[0], worse.true_reward[0]) == (5.0, -1.0)  # type: ignore[index]
    assert correction.preference.query_id == correction.query.id
    assert correction.preference.answer == Tiers(((0,), (1,)))
    assert calls[0][1:] == (EXPERT, 3)


def test_a_correction_that_is_no_better_is_none() -> None:
    assert len(ask(queries(1), lambda bad, policy, steps: bad)) == 1


def test_a_share_of_the_questions_is_corrected() -> None:
    given = ask(queries(200), lambda bad, policy, steps: clip(5.0, bad.obs[0, 0]), share=0.3)
    assert 30 <= sum(isinstance(one, Correction) for one in given) <= 90


def test_costs_are_not_its_business() -> None:
    assert ask([Query.of("run", 0, [clip(1.0), clip(2.0)], question="cost:energy")], None) == []


def test_without_a_simulator_it_says_so() -> None:
    with pytest.raises(PluginError, match="nothing can be simulated here"):
        ask(queries(1), None)
