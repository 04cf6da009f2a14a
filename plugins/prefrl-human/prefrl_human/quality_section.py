"""How far people can be trusted in, the label-quality page of a run's report out: a section that `prefrl report` shows."""

from __future__ import annotations

import json
from math import isnan
from pathlib import Path

from prefrl_human.quality import Person, Quality

HEADER = (
    "person", "answers", "skipped", "ties", "known winners missed", "same answer when asked again", "sides followed",
    "first clip best", "median seconds", "verdict",
)  # fmt: skip


def write(folder: Path, name: str, quality: Quality, plan: str = "") -> None:
    """Replace the section of the source `name` in the run folder `folder`; `plan` is a sentence of the planner's."""
    target = folder / "sections" / f"{name}-quality.json"
    target.parent.mkdir(exist_ok=True)
    section = {
        "title": f"Label quality: {name}",
        "text": " ".join(part for part in (text(quality), plan) if part),
        "header": HEADER,
        "rows": [row(person, applied=quality.rules.apply) for person in quality.people],
    }
    draft = target.with_name(f".{target.name}")
    draft.write_text(json.dumps(section, indent=1), encoding="utf-8")
    draft.replace(target)


def text(quality: Quality) -> str:
    """Agreement and the rules, in words."""
    rules = quality.rules
    shared = "Nobody answered what somebody else did, so that agreement is unknown."
    if not isnan(quality.alpha):
        shared = (
            f"Krippendorff's alpha over all pairs that several people judged is {quality.alpha:.2f}"
            " (1: they agree, 0: chance)."
        )
    stated = (
        f"Rules, fixed before the first answer: from {rules.min_checks} checks on, suspected is who does as badly at them"
        f" as a person with {rules.error:.0%} errors does with a chance of at most {rules.alpha:.1%}; who prefers the"
        f" first clip, or the others, more than chance does in {rules.position_alpha:.1%}; who answers {rules.fast:.0%}"
        f" of questions within {rules.min_seconds:g} s."
    )
    said = [shared, stated]
    names = ", ".join(sorted(quality.suspected))
    if names:
        said.append(
            f"Suspected: {names}; {'nothing is learned from them' if rules.apply else 'their answers are used all the same'}."
        )
    return " ".join(said)


def row(person: Person, applied: bool) -> list[str]:
    """One line of the table."""
    return [
        person.name,
        str(person.answers),
        str(person.skips),
        str(person.ties),
        _of(person.wrong, person.known),
        _of(person.again - person.changed, person.again),
        _of(person.followed, person.mirrored),
        _of(person.first, person.placed),
        "–" if isnan(person.seconds) else f"{person.seconds:.1f}",
        "; ".join([("excluded" if applied else "suspected"), *person.reasons]) if person.reasons else "trusted",
    ]


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "–"
