from __future__ import annotations

from math import inf, nan

import pytest

from prefrl.report.words import DASH, count, duration, interval, listed, minus, number, percent, share, state


@pytest.mark.parametrize(
    ("value", "text"),
    [(3415.4, "3,415"), (-280.2, "-280"), (42.34, "42.3"), (-4.967, "-4.97"), (nan, DASH), (inf, DASH)],
)
def test_number_keeps_the_digits_that_mean_something(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.4, "59.4 s"),
        (170, "2 min 50 s"),
        (59.99 * 60, "59 min 59 s"),
        (3780, "1 h 03 min"),
        (nan, DASH),
    ],
)
def test_duration_as_a_person_says_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_seeds_ratios_and_absence() -> None:
    assert listed([0, 1, 2, 3]) == "0 to 3"
    assert listed([0, 2, 5]) == "0, 2, 5"
    assert listed([4]) == "4"
    assert (share(0.756), share(nan), percent(0.889), percent(nan)) == ("0.76", DASH, "89%", DASH)
    assert (count(100_000), count(None)) == ("100,000", DASH)
    assert (interval((0.3, 1.184)), interval((nan, nan))) == ("[0.30, 1.18]", DASH)


def test_minus_leaves_names_alone() -> None:
    assert (
        minus("run few-s0, seed-1: -280 in [-0.5, 1]")
        == "run few-s0, seed-1: \N{MINUS SIGN}280 in [\N{MINUS SIGN}0.5, 1]"
    )


def test_state_is_a_verb() -> None:
    assert [state(status) for status in ("running", "failed", "interrupted")] == [
        "is still running",
        "has failed",
        "was interrupted",
    ]
    assert state("odd") == "has the status odd"
