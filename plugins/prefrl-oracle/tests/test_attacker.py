"""The attacker turns round as many answers as told: any, those that matter most, or those that are against what it promotes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import prefrl_oracle
from prefrl.errors import ConfigError
from prefrl.specs import AskContext, BuildContext
from prefrl.types import EnvInfo, Factor, Query, Segment, Tiers

SPEC = next(spec for spec in prefrl_oracle.prefrl_register_sources() if spec.name == "attacker")
ENV = EnvInfo("Toy-v0", (1,), (1,), factors={"energy": Factor("energy", privileged=False)})


def clip(total: float, tag: int, energy: float = 0.0) -> Segment:
    factors = {"energy": np.full(2, energy)}
    return Segment.of(np.full((3, 1), tag), np.zeros((2, 1)), true_reward=np.array([total, 0.0]), factors=factors)


def wrong(queries: list[Query], **options: Any) -> list[int]:
    """Places of the answers that say the worst clip is best."""
    source = SPEC.build(SPEC.options(**options), BuildContext("run", "attacker", 0, ENV))
    answers = list(source.label(queries, AskContext(step=0, round=1, rng=np.random.default_rng(0))))
    assert [p.query_id for p in answers] == [q.id for q in queries]
    return [i for i, p in enumerate(answers) if isinstance(p.answer, Tiers) and p.answer.tiers[0] != (0,)]


def pairs(n: int) -> list[Query]:
    """The first clip is better, by more from question to question."""
    return [Query.of("run", 0, [clip(1.0 + i, 2 * i), clip(0.0, 2 * i + 1)]) for i in range(n)]


def test_at_random_a_share_is_turned_round_whatever_is_asked_together() -> None:
    queries = pairs(1000)
    turned = wrong(queries, rate=0.2)
    assert len(turned) == pytest.approx(200, abs=4 * np.sqrt(160))
    assert wrong(queries[: turned[0] + 1], rate=0.2) == turned[:1]


def test_aimed_at_the_clearest_it_turns_those_round_that_differ_most() -> None:
    assert wrong(pairs(10), rate=0.3, aim="clearest") == [7, 8, 9]
    assert len(wrong(pairs(10), rate=0.25, aim="clearest")) in (2, 3)


def test_it_promotes_a_factor_where_the_truth_is_against_it_and_nowhere_else() -> None:
    energies = [(0.0, 1.0), (1.0, 0.0), (0.0, 3.0), (0.0, 0.0)]  # of the better and of the worse clip
    queries = [
        Query.of("run", 0, [clip(1.0, 2 * i, better), clip(0.0, 2 * i + 1, worse)])
        for i, (better, worse) in enumerate(energies)
    ]
    assert wrong(queries, rate=1.0, promote={"energy": "more"}) == [0, 2]
    assert wrong(queries, rate=0.25, promote={"energy": "more"}) == [2]
    assert wrong(queries, rate=1.0, promote={"energy": "less"}) == [1]


def test_a_whole_ranking_is_turned_round() -> None:
    ranking = Query.of("run", 0, [clip(2.0, 0), clip(1.0, 1), clip(3.0, 2)], kind="ranking")
    source = SPEC.build(SPEC.options(rate=1.0), BuildContext("run", "attacker", 0, ENV))
    (answer,) = source.label([ranking], AskContext(step=0, round=1, rng=np.random.default_rng(0)))
    assert answer.answer == Tiers(((1,), (0,), (2,)))


def test_what_it_reads_is_declared_and_what_it_promotes_must_exist() -> None:
    assert SPEC.needs_of(SPEC.options()) == {"true_reward"}
    assert SPEC.needs_of(SPEC.options(promote={"energy": "more"})) == {"true_reward", "factors", "privileged_factors"}
    with pytest.raises(
        ConfigError, match=r"sources.attacker.promote: Toy-v0 has no factor 'enery'. .*Did you mean 'energy'"
    ):
        wrong(pairs(1), promote={"enery": "more"})
