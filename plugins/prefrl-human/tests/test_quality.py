"""Who does not look is found, who looks is left alone; each number of the page is what it says."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from prefrl.types import Choice, Preference, Query, Rationale, Text, Tiers
from prefrl_human.exclusion_options import ExcludeOptions
from prefrl_human.quality import Person, Quality, examine, guessing, onesided
from prefrl_human.records import Check, Served

RULES = ExcludeOptions()


@pytest.fixture(scope="module")
def annotators() -> ModuleType:
    spec = importlib.util.spec_from_file_location("simulated_annotators", Path(__file__).with_name("annotators.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judged(served: list[Served], rules: ExcludeOptions = RULES) -> Person:
    (person,) = examine(served, rules).people
    return person


# --- simulated people ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 4])
def test_who_does_not_look_is_found_and_who_does_is_not(annotators: ModuleType, k: int) -> None:
    """5.d: 200 sessions of 40 answers, 12 of them known winners; three good people, a coin and a follower of the left side."""
    people = {
        **{f"good{i}": annotators.good() for i in range(3)},
        "coin": annotators.coin,
        "left": annotators.always_first,
    }
    flags = dict.fromkeys(people, 0)
    for seed in range(200 if k == 2 else 50):
        rng = np.random.default_rng([100, seed])
        served = [one for name, judge in people.items() for one in annotators.session(name, judge, rng, k=k)]
        for name in examine(served, RULES).suspected:
            flags[name] += 1
    share = {name: flags[name] / (200 if k == 2 else 50) for name in flags}
    assert share["coin"] >= 0.9, share
    assert share["left"] >= 0.9, share
    assert (
        max(share[f"good{i}"] for i in range(3)) < 0.05 if k == 2 else sum(share[f"good{i}"] for i in range(3)) < 0.15
    ), share


def test_the_bound_on_false_flags_is_exact_not_simulated() -> None:
    """Over every outcome of 12 known winners and 4 repeats, at the errors the rules call good."""
    error, changes = RULES.error, 2 * RULES.error * (1 - RULES.error)
    flagged = sum(
        math.comb(12, w) * error**w * (1 - error) ** (12 - w) * math.comb(4, c) * changes**c * (1 - changes) ** (4 - c)
        for w in range(13)
        for c in range(5)
        if guessing(12, w, 4, c, error) <= RULES.alpha
    )
    assert 0 < flagged <= RULES.alpha
    assert flagged + RULES.position_alpha < 0.05


def test_haste_is_found(annotators: ModuleType) -> None:
    rng = np.random.default_rng(101)
    hasty = judged(list(annotators.session("h", annotators.good(), rng, seconds=0.3)))
    assert hasty.seconds < 0.7
    assert any(reason.startswith("haste") for reason in hasty.reasons)
    assert not judged(list(annotators.session("c", annotators.good(0.0), rng, seconds=3.0))).reasons


# --- each number -----------------------------------------------------------------------------------------------------

A, B, C = (Text("clip", name) for name in "ABC")


def asked(
    number: int, items: tuple[Text, ...], answer: object, shown: tuple[int, ...], check: Check | None = None
) -> Served:
    query = Query(f"q{number}", items, "pair" if len(items) == 2 else "ranking")
    given = Preference(
        f"p{number}", query.id, "human", answer, annotator="ann", shown_order=shown, created=number, seconds=2.0
    )  # type: ignore[arg-type]
    return Served(query, given, check)


FIRST, SECOND, TIE = Tiers(((0,), (1,))), Tiers(((1,), (0,))), Tiers(((0, 1),))


def test_counts() -> None:
    skip = asked(3, (A, B), None, (0, 1))
    skip = replace(skip, answer=replace(skip.answer, outcome="skip", rationale=Rationale(text="dark")))
    person = judged(
        [
            asked(0, (A, B), FIRST, (0, 1)),
            asked(1, (A, C), SECOND, (0, 1)),
            asked(2, (B, C), TIE, (1, 0)),
            skip,
            asked(4, (A, B), FIRST, (0, 1), Check("repeat", of="q0")),
            asked(5, (A, B), SECOND, (1, 0), Check("mirror", of="q0")),  # the same side as before, the other clip
            asked(6, (A, C), Choice(1), (1, 0), Check("mirror", of="q1")),
            asked(7, (B, C), FIRST, (1, 0), Check("repeat", of="q2")),  # a tie has no best clip to find again
            asked(8, (A, B), FIRST, (0, 1), Check("known", expected=FIRST)),
            asked(9, (A, B), TIE, (0, 1), Check("known", expected=FIRST)),
            asked(10, (A, B), Choice(1), (0, 1), Check("known", expected=Tiers(((0,),)))),
        ]
    )
    assert (person.answers, person.skips, person.ties) == (3, 1, 1)
    assert (person.known, person.wrong) == (3, 2)
    assert (person.again, person.changed, person.mirrored, person.followed) == (3, 1, 2, 1)
    assert (person.placed, person.first) == (2, 1)
    assert person.consistency == pytest.approx(2 / 3)
    assert person.seconds == 2.0
    assert person.reasons == ()


def test_rankings_are_checked_by_their_ends() -> None:
    before = asked(0, (A, B, C), Tiers(((2,), (0, 1))), (0, 1, 2))
    kept = asked(1, (A, B, C), Tiers(((0,), (2,), (1,))), (2, 1, 0), Check("mirror", of="q0"))
    turned = asked(2, (A, B, C), Tiers(((1,), (2,), (0,))), (0, 1, 2), Check("repeat", of="q0"))
    person = judged([before, kept, turned])
    assert (person.again, person.changed) == (2, 1)
    known = asked(
        3, (A, B, C), Tiers(((1,), (0,), (2,))), (0, 1, 2), Check("known", expected=Tiers(((1,), (2,), (0,))))
    )
    assert judged([known]).wrong == 0


def test_checks_tell_nothing_before_there_are_enough(annotators: ModuleType) -> None:
    wrong = [asked(i, (A, B), SECOND, (i % 2, 1 - i % 2), Check("known", expected=FIRST)) for i in range(12)]
    assert not judged(wrong[:11]).reasons
    assert judged(wrong).reasons[0].startswith("checks: 12 of 12 known winners missed and 0 of 0")


def test_position_is_an_exact_two_sided_test() -> None:
    assert onesided(0, [0.5] * 10) == pytest.approx(2 / 2**10)
    assert onesided(5, [0.5] * 10) == 1.0
    assert onesided(4, [0.5, 0.5, 0.25, 0.25]) == pytest.approx(2 * 0.25 * 0.0625)
    assert onesided(0, []) > 1
    left = [asked(i, (A, B), FIRST if i % 2 else SECOND, (0, 1) if i % 2 else (1, 0)) for i in range(12)]
    assert judged(left).reasons == ("position: the first clip was best in 12 of 12 answers",)


def test_only_rules_that_apply_exclude(annotators: ModuleType) -> None:
    rng = np.random.default_rng(102)
    served = list(annotators.session("ann", annotators.always_first, rng))
    assert examine(served, RULES).suspected == {"ann"}
    assert examine(served, RULES).excluded == frozenset()
    assert examine(served, ExcludeOptions(apply=True)).excluded == {"ann"}


def test_agreement_of_people_on_the_same_questions(annotators: ModuleType) -> None:
    questions = [asked(i, (A, B), FIRST if i % 2 else SECOND, (0, 1)) for i in range(20)]
    twin = [replace(one, answer=replace(one.answer, annotator="bob")) for one in questions]
    assert examine([*questions, *twin], RULES).alpha == 1.0
    assert math.isnan(examine(questions, RULES).alpha)
    assert examine([], RULES) == Quality((), pytest.approx(math.nan, nan_ok=True), RULES)
