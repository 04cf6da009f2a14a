"""Each question is answered by one user, by what that user wants, under the user's name."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import prefrl_oracle
from prefrl.errors import ConfigError
from prefrl.specs import AskContext, BuildContext
from prefrl.types import EnvInfo, Factor, Preference, Query, Segment, Tiers
from prefrl_oracle.options import UserOptions
from prefrl_oracle.users import utility

SPEC = next(spec for spec in prefrl_oracle.prefrl_register_sources() if spec.name == "users")
ENV = EnvInfo("Toy-v0", (2,), (1,), factors={"speed": Factor("speed", privileged=False)})
OPPOSITE = {"left": {"reaches": {0: -1.0}}, "right": {"reaches": {0: 1.0}}}


def clip(x: float, tag: int, speed: float = 0.0) -> Segment:
    obs = np.array([[9.0, tag], [x, tag], [x, tag]])  # where it began was no doing of the clip
    return Segment.of(obs, np.zeros((2, 1)), factors={"speed": np.full(2, speed)})


def ask(queries: list[Query], users: Any, **options: Any) -> list[Preference]:
    source = SPEC.build(SPEC.options(users=users, **options), BuildContext("run", "users", 0, ENV))
    return list(source.label(queries, AskContext(step=0, round=1, rng=np.random.default_rng(0))))


def pairs(n: int) -> list[Query]:
    """The first clip is on the left, the second on the right."""
    return [Query.of("run", 0, [clip(-1.0, 2 * i), clip(1.0, 2 * i + 1)]) for i in range(n)]


def test_opposite_users_answer_oppositely_about_half_each() -> None:
    answers = ask(pairs(400), OPPOSITE)
    assert all((p.answer == Tiers(((0,), (1,)))) == (p.group == "left") for p in answers)
    assert all(p.annotator == p.group for p in answers)
    assert Counter(p.group for p in answers)["left"] == pytest.approx(200, abs=40)


def test_who_answers_depends_on_the_question_alone() -> None:
    queries = pairs(20)
    together = {p.query_id: p.group for p in ask(queries, OPPOSITE)}
    assert together == {q.id: ask([q], OPPOSITE)[0].group for q in reversed(queries)}


def test_mistakes_are_as_many_as_told() -> None:
    answers = ask(pairs(1000), {"left": {"reaches": {0: -1.0}}}, mistake=0.1)
    assert sum(p.answer != Tiers(((0,), (1,))) for p in answers) == pytest.approx(100, abs=40)


def test_what_a_user_wants_is_liked_factors_minus_the_distance_from_a_place() -> None:
    user = UserOptions(likes={"speed": 2.0}, reaches={0: 0.0, 1: 4.0})
    assert utility(clip(3.0, 0, speed=1.5), user) == pytest.approx(2 * 1.5 - 5.0)


def test_needs_follow_from_what_is_wanted() -> None:
    assert SPEC.needs_of(SPEC.options(users=OPPOSITE)) == frozenset()
    assert SPEC.needs_of(SPEC.options(users={"a": {"likes": {"speed": 1.0}}})) == {"factors", "privileged_factors"}


def test_users_want_something_that_exists() -> None:
    with pytest.raises(
        ConfigError, match=r"sources.users.users.a: Toy-v0 has no factor 'sped'. .*Did you mean 'speed'"
    ):
        ask([], {"a": {"likes": {"sped": 1.0}}})
    with pytest.raises(ConfigError, match="no observation entry 2; there are 0 to 1"):
        ask([], {"a": {"reaches": {2: 1.0}}})
    with pytest.raises(ValidationError, match="a user wants something"):
        SPEC.options(users={"a": {}})
