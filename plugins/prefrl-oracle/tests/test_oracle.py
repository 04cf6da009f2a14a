"""The oracle's answers are by return, exactly as random as asked, and depend on seed and question alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import prefrl_oracle
from prefrl.errors import PluginError
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Candidate, Choice, EnvInfo, Preference, Query, Segment, Text, Tiers
from prefrl_oracle.teacher import perturbed, ranks

SPEC, *_ = prefrl_oracle.prefrl_register_sources()


def clip(total: float | None, tag: int = 0, **costs: float) -> Segment:
    """Four steps whose true reward sums to `total`."""
    reward = None if total is None else np.full(4, total / 4, np.float32)
    cost = {name: np.full(4, value / 4) for name, value in costs.items()}
    return Segment.of(np.full((5, 1), tag), np.full((4, 1), total or 0.0), true_reward=reward, cost=cost)


def ask(*queries: Query, seed: int = 0, name: str = "oracle", **options: Any) -> list[Preference]:
    context = BuildContext(run="run", name=name, seed=seed, env=EnvInfo("Any-v0", (1,), (1,)))
    source = SPEC.build(SPEC.options(**options), context)
    # a fresh stream each time: nothing may be drawn from it
    return list(source.label(queries, AskContext(step=0, round=0, rng=np.random.default_rng())))


def pairs(n: int) -> list[Query]:
    return [Query.of("run", 0, [clip(1.0, 2 * i), clip(0.0, 2 * i + 1)]) for i in range(n)]


def test_error_free_pairs_and_rankings_follow_the_return() -> None:
    returns = [3.0, -1.0, 8.0, 3.0]
    pair = Query.of("run", 0, [clip(0.0), clip(2.0)])
    ranking = Query.of("run", 0, [clip(r, i) for i, r in enumerate(returns)], kind="ranking")
    assert [p.answer for p in ask(pair, ranking)] == [Tiers(((1,), (0,))), Tiers(((2,), (0, 3), (1,)))]


def test_an_answer_names_its_question_and_its_source() -> None:
    (query,) = pairs(1)
    (answer,) = ask(query, name="careful")
    assert (answer.query_id, answer.source, answer.outcome) == (query.id, "careful", "answered")


def test_exact_ties_are_ties_and_a_tied_choice_is_made_fairly() -> None:
    tie = Query.of("run", 0, [clip(1.0, 1), clip(1.0, 2)])
    assert ask(tie)[0].answer == Tiers(((0, 1),))
    tied = [clip(1.0, 1), clip(0.0, 2), clip(1.0, 3)]
    best = [ask(Query.of("run", i, tied, kind="choice"))[0].answer for i in range(200)]
    counts = Counter(answer.best for answer in best if isinstance(answer, Choice))
    assert set(counts) == {0, 2}
    assert min(counts.values()) > 70


def test_a_return_too_large_for_float32_steps_is_still_summed_exactly() -> None:
    steps = np.array([1e8, 1.0, -1e8], np.float32)
    small = Segment.of(np.zeros((4, 1)), np.zeros((3, 1)), true_reward=np.array([0.5, 0, 0], np.float32))
    large = Segment.of(np.ones((4, 1)), np.zeros((3, 1)), true_reward=steps)
    assert ask(Query.of("run", 0, [small, large]))[0].answer == Tiers(((1,), (0,)))


def test_a_cost_question_is_answered_by_the_cost_and_less_is_better() -> None:
    items = [clip(9.0, energy=5.0), clip(0.0, energy=2.0)]
    reward, cost = Query.of("run", 0, items), Query.of("run", 0, items, question="cost:energy")
    assert [p.answer for p in ask(reward, cost)] == [Tiers(((0,), (1,))), Tiers(((1,), (0,)))]


def test_other_objectives_are_left_to_other_sources() -> None:
    graceful = Query.of("run", 0, [clip(0.0), clip(1.0)], question="gracefulness")
    answered = pairs(1)[0]
    assert [p.query_id for p in ask(graceful, answered)] == [answered.id]


def test_candidates_are_judged_by_their_clips() -> None:
    items = [Candidate("a", clip=clip(0.0)), Candidate("b", clip=clip(1.0))]
    assert ask(Query.of("run", 0, items))[0].answer == Tiers(((1,), (0,)))


@pytest.mark.parametrize(
    ("items", "kind", "question", "words"),
    [
        ([clip(None), clip(1.0)], "pair", "reward", "recorded without"),
        ([Text("p", "a"), Text("p", "b")], "pair", "reward", "is a text"),
        ([Candidate("a"), Candidate("b")], "pair", "reward", "is a candidate"),
        ([clip(1.0, energy=1.0), clip(1.0, energy=2.0)], "pair", "cost:enregy", "Did you mean 'energy'"),
        ([clip(1.0)], "binary", "reward", "binary question"),
    ],
)
def test_what_it_cannot_judge_is_said_in_a_sentence(items: Any, kind: Any, question: str, words: str) -> None:
    with pytest.raises(PluginError, match=words):
        ask(Query.of("run", 0, items, kind=kind, question=question))


def test_noise_belongs_to_seed_and_question_not_to_batch_or_order() -> None:
    queries = pairs(60)
    together = {p.query_id: p.answer for p in ask(*queries, beta=1.0)}
    alone = {q.id: ask(q, beta=1.0)[0].answer for q in reversed(queries)}
    assert together == alone
    assert together != {p.query_id: p.answer for p in ask(*queries, beta=1.0, seed=1)}
    assert len(set(together.values())) == 2  # both answers occur


def test_what_it_reads_stays_as_it_was() -> None:
    query = Query.of("run", 0, [replace(clip(1.0, i, energy=1.0)) for i in range(3)], kind="ranking")
    arrays = [
        a for s in query.items if isinstance(s, Segment) for a in (s.obs, s.action, s.true_reward, s.cost["energy"])
    ]
    before = [np.copy(a) for a in arrays if a is not None]
    for array in arrays:
        if array is not None:
            array.flags.writeable = False
    ask(query, beta=2.0)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


def test_a_return_difference_of_one_is_seen_731_times_in_1000() -> None:
    rng = np.random.default_rng(0)
    perceived = perturbed(np.tile([0.0, 1.0], (100_000, 1)), 1.0, rng)
    assert (perceived[:, 1] > perceived[:, 0]).mean() == pytest.approx(0.731059, abs=0.005)
    perceived = perturbed(np.tile([0.0, 1.0], (100_000, 1)), 3.0, rng)
    assert (perceived[:, 1] > perceived[:, 0]).mean() == pytest.approx(1 / (1 + np.exp(-3.0)), abs=0.005)


def test_the_answers_themselves_have_those_odds() -> None:
    wins = [p.answer == Tiers(((0,), (1,))) for p in ask(*pairs(4000), beta=1.0)]
    assert np.mean(wins) == pytest.approx(0.731059, abs=4 * np.sqrt(0.731 * 0.269 / 4000))


def test_rankings_are_plackett_luce_draws() -> None:
    returns, n = np.array([0.0, 1.0, -0.5]), 100_000
    perceived = perturbed(np.tile(returns, (n, 1)), 1.0, np.random.default_rng(1))
    observed = Counter(map(tuple, np.argsort(-perceived, axis=1).tolist()))
    worth = np.exp(returns)
    for order in permutations(range(3)):
        first, second, _ = order
        expected = worth[first] / worth.sum() * worth[second] / (worth.sum() - worth[first])
        assert observed[order] / n == pytest.approx(expected, abs=0.005)


def test_ranks_of_values() -> None:
    assert ranks(np.array([0.5, 2.0, 0.5, -1.0])) == [1, 0, 1, 2]


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan"), float("inf")])
def test_a_beta_that_means_nothing_is_refused(beta: float) -> None:
    with pytest.raises(ValidationError):
        SPEC.options(beta=beta)
