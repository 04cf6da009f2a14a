from __future__ import annotations

import pytest
from pydantic import ValidationError

from prefrl.options import NoOptions, Options


class Teacher(Options):
    error: float = 0.0
    members: int = 3


@pytest.mark.parametrize(
    "given", [{"eror": 1}, {"error": float("nan")}, {"error": float("inf")}, {"members": 2.5}, {"members": "x"}]
)
def test_what_is_unknown_infinite_or_of_another_type_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Teacher.model_validate(given)


def test_options_are_frozen_and_compare_by_value() -> None:
    with pytest.raises(ValidationError):
        Teacher().error = 1.0  # type: ignore[misc]
    assert Teacher(error=0.1) == Teacher.model_validate({"error": "1e-1"})
    assert NoOptions() == NoOptions()


def test_a_wrong_default_is_found_when_it_is_used() -> None:
    class Wrong(Options):
        members: int = "many"  # type: ignore[assignment]

    with pytest.raises(ValidationError):
        Wrong()
