"""Which answers fit which questions; every combination in detail is tried through the guard in tests/sources."""

from __future__ import annotations

import pytest

from prefrl.soundness import fault
from prefrl.types import Answer, Choice, Grades, Preference, Tiers


@pytest.mark.parametrize(
    ("answer", "kind", "k", "words"),
    [
        (Tiers(((1,), (0,))), "pair", 2, None),
        (Tiers(((1,), (0,))), "pair", 3, "rank 2 items, at least 3"),
        (Choice(2), "choice", 3, None),
        (Choice(2), "choice", 2, "none of items 0 to 1"),
        (Grades((1.0, float("nan"))), "grade", 2, "nan is no finite number"),
        (Grades((1.0, 2.0)), "binary", 2, "it is Grades, allowed: Binary"),
    ],
)
def test_an_answer_fits_its_question_or_is_told_why_not(answer: Answer, kind: str, k: int, words: str | None) -> None:
    found = fault(Preference("p", "q", "ann", answer), kind, k)
    assert (found is None) if words is None else (words in str(found))
