"""Numbers in, what a reader sees of them out: the same words on the page, in Markdown and on the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite

DASH = "–"  # where there is no number
STATES = {"running": "is still running", "failed": "has failed", "interrupted": "was interrupted"}


def number(value: float) -> str:
    """A return or a score with the digits that mean something."""
    if not isfinite(value):
        return DASH
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def share(value: float) -> str:
    """A ratio with two decimals."""
    return f"{value:.2f}" if isfinite(value) else DASH


def percent(value: float) -> str:
    """A ratio in whole percent."""
    return f"{value:.0%}" if isfinite(value) else DASH


def count(value: int | None) -> str:
    """A whole number with its thousands set apart."""
    return DASH if value is None else f"{value:,}"


def duration(seconds: float) -> str:
    """Wall-clock as a person says it."""
    if not isfinite(seconds):
        return DASH
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def listed(values: Sequence[int]) -> str:
    """Seeds: a range where they are consecutive."""
    if len(values) > 2 and list(values) == list(range(values[0], values[-1] + 1)):
        return f"{values[0]} to {values[-1]}"
    return ", ".join(map(str, values))


def interval(bounds: tuple[float, float]) -> str:
    """Both ends of an interval of ratios."""
    return f"[{share(bounds[0])}, {share(bounds[1])}]" if all(map(isfinite, bounds)) else DASH


def minus(text: str) -> str:
    """Typeset negative numbers with a minus sign; hyphens inside words and names stay."""
    return re.sub(r"(?<!\w)-(?=\d)", "\N{MINUS SIGN}", text)


def state(status: str) -> str:
    """How a run that did not end well stands, as a verb."""
    return STATES.get(status, f"has the status {status}")
