"""The weaknesses act in B-Pref's order, seen on questions that only this order answers so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import prefrl_oracle
from prefrl.errors import PluginError
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Choice, EnvInfo, Episode, Preference, Query, Segment, Tiers

SPEC, *_ = prefrl_oracle.prefrl_register_sources()
FIRST, SECOND, EQUAL = Tiers(((0,), (1,))), Tiers(((1,), (0,))), Tiers(((0, 1),))


@dataclass
class UsualPool:
    """Episodes of two lengths that collect `per_step` at every step."""

    per_step: float = 1.0
    asked: list[int] = field(default_factory=list)

    def recent(self, n: int) -> Sequence[Episode]:
        self.asked.append(n)
        return [Episode(str(t), np.zeros((t + 1, 1)), np.zeros((t, 1)), np.full(t, self.per_step)) for t in (100, 300)]

    def sample(self, n: int, length: int, rng: np.random.Generator, window: int | None = None) -> Any:
        return rng.normal(size=n)

    def segment(self, index: float) -> Segment:
        return clip(index)


def clip(*rewards: float) -> Segment:
    """Ten steps: the rewards given, then nothing; what is given alone or last is spread over none but its step."""
    reward = np.zeros(10)
    reward[: len(rewards)] = rewards
    return Segment.of(np.random.default_rng(0).normal(size=(11, 1)), reward[:, None], true_reward=reward)


def late(reward: float) -> Segment:
    """All of it at the last step."""
    return clip(*[0.0] * 9, reward)


def pair(a: Segment, b: Segment, round: int = 0) -> Query:
    return Query.of("run", round, [a, b])


def ask(*queries: Query, per_step: float = 1.0, round: int = 1, **options: Any) -> list[Preference]:
    source = SPEC.build(SPEC.options(**options), BuildContext("run", "oracle", 0, EnvInfo("Any-v0", (1,), (1,))))
    return list(source.label(queries, AskContext(0, round, np.random.default_rng(), pool=UsualPool(per_step))))


def answer(query: Query, **options: Any) -> Any:
    return ask(query, **options)[0].answer


# the usual return of ten steps is 10: a skip of 0.3 wants more than 3, an equal of 0.2 is a difference below 2


def test_a_question_without_a_clip_worth_watching_is_skipped_with_the_reason() -> None:
    (skipped,) = ask(pair(clip(3.0), clip(1.0)), skip=0.3)
    assert (skipped.outcome, skipped.answer) == ("skip", None)
    assert skipped.rationale.text == "no clip reaches 30% of the usual return 10"
    assert answer(pair(clip(3.01), clip(1.0)), skip=0.3) == FIRST
    ranking = [clip(1.0), clip(0.0), clip(9.0)]
    assert answer(Query.of("run", 0, ranking, kind="ranking"), skip=0.3) == Tiers(((2,), (0,), (1,)))


def test_skipping_comes_first_and_looks_at_the_whole_return() -> None:
    assert answer(pair(clip(1.0), clip(0.0)), skip=0.3, equal=0.2, mistake=1.0, beta=1.0) is None
    early = pair(clip(4.0), clip(0.0))  # its myopic return is 4 * 0.9^9 = 1.5
    assert answer(early, skip=0.3, discount=0.9) == FIRST


def test_near_returns_are_equal_and_a_difference_at_the_margin_is_not() -> None:
    assert answer(pair(clip(3.0), clip(1.001)), equal=0.2) == EQUAL
    assert answer(pair(clip(3.0), clip(1.0)), equal=0.2) == FIRST


def test_equality_is_of_whole_returns_though_the_answer_is_myopic() -> None:
    assert answer(pair(clip(1.0), late(1.5)), equal=0.2, discount=0.5) == EQUAL
    nearly_the_same_to_a_myopic_eye = pair(clip(6.0), late(0.1))
    assert answer(nearly_the_same_to_a_myopic_eye, equal=0.2, discount=0.5) == SECOND


def test_a_myopic_teacher_weighs_the_recent() -> None:
    question = pair(clip(1.0), late(0.5))
    assert answer(question) == FIRST
    assert answer(question, discount=0.9) == SECOND


def test_noise_is_added_to_what_the_myopic_eye_sees() -> None:
    questions = [pair(clip(5.0 + i / 100), late(3.0)) for i in range(200)]  # myopic: 0.01 against 3
    assert np.mean([p.answer == SECOND for p in ask(*questions, discount=0.5, beta=2.0)]) > 0.98
    assert np.mean([p.answer == FIRST for p in ask(*questions, beta=2.0)]) > 0.95


def test_mistakes_turn_stochastic_answers_round_too() -> None:
    questions = [pair(clip(0.0), late(1.0), i) for i in range(60)]
    noisy = [p.answer for p in ask(*questions, beta=0.5)]
    assert set(map(str, noisy)) == {str(FIRST), str(SECOND)}
    assert [p.answer for p in ask(*questions, beta=0.5, mistake=1.0)] == [
        SECOND if one == FIRST else FIRST for one in noisy
    ]


def test_mistakes_are_as_frequent_as_asked_and_belong_to_the_question() -> None:
    questions = [pair(clip(0.0), late(1.0), i) for i in range(3000)]
    wrong = {p.query_id for p in ask(*questions, mistake=0.1) if p.answer == FIRST}
    assert len(wrong) / 3000 == pytest.approx(0.1, abs=0.02)
    assert {p.query_id for p in ask(*questions[::-7], mistake=0.1) if p.answer == FIRST} == wrong & {
        q.id for q in questions[::-7]
    }


def test_what_is_equal_is_so_last_and_no_mistake_touches_it() -> None:
    assert answer(pair(clip(3.0), clip(2.0)), equal=0.2, beta=0.1, mistake=1.0) == EQUAL
    items = [clip(0.0), clip(9.0), clip(1.0), clip(5.0)]
    ranking = Query.of("run", 0, items, kind="ranking")
    assert answer(ranking, equal=0.2) == Tiers(((1,), (3,), (0, 2)))
    assert answer(ranking, equal=0.2, mistake=1.0) == Tiers(((0, 2), (3,), (1,)))


def test_the_best_of_several_is_the_first_of_the_ranking() -> None:
    items = [clip(0.0), clip(9.0), clip(1.0)]
    assert answer(Query.of("run", 0, items, kind="choice")) == Choice(1)
    assert answer(Query.of("run", 0, items, kind="choice"), mistake=1.0) == Choice(0)


@pytest.mark.parametrize("round", [1, 2, 9])
def test_thresholds_are_the_same_in_every_round(round: int) -> None:
    assert ask(pair(clip(3.0), clip(1.0)), skip=0.3, round=round)[0].answer is None
    assert ask(pair(clip(3.0), clip(1.001)), equal=0.2, round=round)[0].answer == EQUAL


def test_thresholds_adapt_to_what_is_usual_also_below_zero() -> None:
    poor = pair(clip(3.0), clip(1.0))
    assert answer(poor, skip=0.3, per_step=0.5) == FIRST
    bad, worse = clip(-16.0), clip(-18.0)  # usual is -10, so what does not reach -17 is not worth an answer
    assert answer(pair(bad, worse), skip=0.3, per_step=-1.0) == FIRST
    assert answer(pair(worse, worse), skip=0.3, per_step=-1.0) is None
    assert answer(pair(clip(-4.0), clip(-5.9)), equal=0.2, per_step=-1.0) == EQUAL


def test_an_asked_error_is_calibrated_on_the_pool() -> None:
    questions = [pair(clip(a), late(b), i) for i, (a, b) in enumerate(np.random.default_rng(2).normal(size=(1500, 2)))]
    expected = [FIRST if a > b else SECOND for a, b in np.random.default_rng(2).normal(size=(1500, 2))]
    given = [p.answer for p in ask(*questions, error=0.2)]
    assert np.mean([one != other for one, other in zip(given, expected, strict=True)]) == pytest.approx(0.2, abs=0.03)
    alone = [ask(question, error=0.2)[0].answer for question in questions[:20]]
    assert alone == given[:20]


def test_only_what_watches_the_run_asks_for_the_pool() -> None:
    for options in ({}, {"error": 0.0}, {"beta": 1.0, "discount": 0.9, "mistake": 0.1}):
        assert SPEC.needs_of(SPEC.options(**options)) == {"true_reward"}
    for options in ({"skip": 0.1}, {"equal": 0.1}, {"error": 0.1}):
        assert SPEC.needs_of(SPEC.options(**options)) == {"true_reward", "pool"}


def test_outside_a_run_what_watches_it_is_refused_in_a_sentence() -> None:
    source = SPEC.build(SPEC.options(error=0.1), BuildContext("set", "careful", 0, EnvInfo("Any-v0", (1,), (1,))))
    with pytest.raises(PluginError, match=r"sources\.careful: .*nothing is recorded here"):
        list(source.label([pair(clip(1.0), clip(0.0))], AskContext(0, 0, np.random.default_rng())))


@pytest.mark.parametrize(
    "options",
    [
        {"error": 0.1, "beta": 1.0}, {"error": 0.5}, {"mistake": 1.1}, {"discount": 0.0}, {"skip": -0.1},
        {"equal": float("nan")},
    ],
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SPEC.options(**options)
