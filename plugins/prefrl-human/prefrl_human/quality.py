"""What people were shown and answered in, how far each can be trusted out, by rules that were written down beforehand.

Two exact tests per person. *Checks*: a good person errs with probability e where the winner is known, and contradicts a
repeated question with 2e(1-e); who guesses does both in half of the cases. The likelihood ratio of the two is compared
with its exact distribution under the good person. *Position*: of K clips the first is best with probability 1/K.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, inf, log, nan

import numpy as np
from numpy.typing import NDArray

from prefrl.types import Answer, Binary, Choice, Grades, Tiers
from prefrl_human.agreement import among, relation
from prefrl_human.exclusion_options import ExcludeOptions
from prefrl_human.records import Served

GUESS = 0.5  # how often who does not look is wrong about two clips
_Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Person:
    """What one person's answers say of them."""

    name: str
    answers: int  # to ordinary questions
    skips: int
    ties: int
    known: int  # known winners they judged
    wrong: int  # and of those, not chosen
    again: int  # questions they answered twice, sides exchanged or not
    changed: int  # and of those, answered otherwise
    mirrored: int  # of those asked again with sides exchanged
    followed: int  # and of those, the same side was chosen rather than the same clip
    placed: int  # answers with one best clip
    first: int  # and of those, it stood first
    seconds: float  # median; NaN if never recorded
    fast: float  # share of answers that came too fast
    reasons: tuple[str, ...]  # why they are suspected; empty: they are not

    @property
    def consistency(self) -> float:
        """Share of questions asked twice that they answered alike; NaN if there are none."""
        return 1 - self.changed / self.again if self.again else nan


@dataclass(frozen=True, slots=True)
class Quality:
    """Everybody's answers to one data set."""

    people: tuple[Person, ...]
    alpha: float  # Krippendorff's, over what several people answered; NaN if nothing was
    rules: ExcludeOptions

    @property
    def suspected(self) -> frozenset[str]:
        """Names of those whom the rules suspect."""
        return frozenset(person.name for person in self.people if person.reasons)

    @property
    def excluded(self) -> frozenset[str]:
        """Names of those from whose answers nothing is to be learned."""
        return self.suspected if self.rules.apply else frozenset()


def examine(served: Sequence[Served], rules: ExcludeOptions) -> Quality:
    """What `prefrl_human.records.served` read, judged by `rules`."""
    names = dict.fromkeys(one.answer.annotator for one in served)
    people = tuple(
        _person(name, [one for one in served if one.answer.annotator == name], rules) for name in sorted(names)
    )
    units = [
        (one.answer.annotator, one.query.id, _pairs(one.answer.answer, [item.id for item in one.query.items]))
        for one in served
        if one.check is None and one.answer.answer is not None
    ]
    return Quality(people, among(units), rules)


def _pairs(answer: Answer, ids: Sequence[str]) -> Mapping[tuple[str, str], int]:
    found = {(ids[i], ids[j]): relation(answer, i, j) for i, j in combinations(range(len(ids)), 2)}
    return {pair: value for pair, value in found.items() if value is not None}


def _person(name: str, served: Sequence[Served], rules: ExcludeOptions) -> Person:
    plain = [one for one in served if one.check is None]
    answered = [one for one in plain if one.answer.answer is not None]
    before = {one.query.id: one for one in answered}
    known = [error for one in served if (error := _wrong(one)) is not None]
    again = [(one, changed) for one in served if (changed := _changed(one, before)) is not None]
    mirrored = [changed for one, changed in again if one.check is not None and one.check.kind == "mirror"]
    places = [place for one in answered if (place := _place(one)) is not None]
    seconds = [one.answer.seconds for one in served if one.answer.seconds is not None and one.answer.answer is not None]
    person = Person(
        name=name,
        answers=len(answered),
        skips=len(plain) - len(answered),
        ties=sum(_best(one.answer.answer) is None for one in answered),
        known=len(known),
        wrong=sum(known),
        again=len(again),
        changed=sum(changed for _, changed in again),
        mirrored=len(mirrored),
        followed=sum(mirrored),
        placed=len(places),
        first=sum(place == 0 for place, _ in places),
        seconds=float(np.median(seconds)) if seconds else nan,
        fast=float(np.mean(np.array(seconds) < rules.min_seconds)) if seconds else 0.0,
        reasons=(),
    )
    return _judged(person, [1 / k for _, k in places], rules)


# --- what an answer says ---------------------------------------------------------------------------------------------


def _best(answer: Answer | None) -> int | None:
    """The one best item; None if there is none."""
    match answer:
        case Tiers(((best,), *_)):
            return best
        case Choice(best):
            return best
        case Grades(values) | Binary(values) if values.count(max(values)) == 1:
            return values.index(max(values))
    return None


def _place(one: Served) -> tuple[int, int] | None:
    """(where the best item stood, of how many); None if there was no best one, or nobody recorded where."""
    best, shown = _best(one.answer.answer), one.answer.shown_order
    return None if best is None or shown is None or len(shown) < 2 else (shown.index(best), len(shown))


def _wrong(one: Served) -> bool | None:
    """Whether the known winner did not come before the known loser; None if it was no such check, or was skipped."""
    if one.check is None or one.check.expected is None or one.answer.answer is None:
        return None
    winner = one.check.expected.tiers[0][0]
    losers = [item for tier in one.check.expected.tiers[1:] for item in tier]
    losers = losers or [item for item in range(len(one.query.items)) if item != winner]
    return relation(one.answer.answer, winner, losers[-1]) != 1


def _changed(one: Served, before: Mapping[str, Served]) -> bool | None:
    """Whether the best and the worst of the first answer stand otherwise in the second; None if that cannot be said."""
    if one.check is None or one.check.of not in before or one.answer.answer is None:
        return None
    first, second = before[one.check.of].answer.answer, one.answer.answer
    if isinstance(first, Binary) or isinstance(second, Binary):
        return first != second
    assert first is not None
    ends = _ends(first, len(one.query.items))
    return None if ends is None else relation(second, *ends) != 1


def _ends(answer: Answer, k: int) -> tuple[int, int] | None:
    """A best and a worst item; None if all are tied."""
    match answer:
        case Tiers(tiers) if len(tiers) > 1:
            return tiers[0][0], tiers[-1][-1]
        case Choice(best) if k > 1:
            return best, next(i for i in range(k) if i != best)
        case Grades(values) if max(values) > min(values):
            return values.index(max(values)), values.index(min(values))
    return None


# --- the rules -------------------------------------------------------------------------------------------------------


def _judged(person: Person, chances: Sequence[float], rules: ExcludeOptions) -> Person:
    reasons = []
    if person.known + person.again >= rules.min_checks:
        chance = guessing(person.known, person.wrong, person.again, person.changed, rules.error)
        if chance <= rules.alpha:
            reasons.append(
                f"checks: {person.wrong} of {person.known} known winners missed and {person.changed} of {person.again} repeated"
                f" questions answered otherwise (chance for a good person {chance:.1%})"
            )
    side = onesided(person.first, chances)
    if side <= rules.position_alpha:
        reasons.append(f"position: the first clip was best in {person.first} of {person.placed} answers")
    if person.fast >= rules.fast:
        reasons.append(f"haste: {person.fast:.0%} of the answers came within {rules.min_seconds:g} s")
    return Person(
        **{name: getattr(person, name) for name in Person.__slots__ if name != "reasons"}, reasons=tuple(reasons)
    )


def guessing(known: int, wrong: int, again: int, changed: int, error: float) -> float:
    """P(at least this much evidence of guessing) for a person who errs with probability `error`; 1 without checks."""
    changes = 2 * error * (1 - error)
    evidence = _evidence(known, error)[:, None] + _evidence(again, changes)[None, :]
    chance = _binomial(known, error)[:, None] * _binomial(again, changes)[None, :]
    return float(chance[evidence >= evidence[wrong, changed] - 1e-9].sum())


def _evidence(n: int, error: float) -> _Weights:
    """(n+1,) log-likelihood ratio of guessing against erring with `error`, by the number of errors."""
    errors = np.arange(n + 1)
    return errors * log(GUESS / error) + (n - errors) * log((1 - GUESS) / (1 - error))


def _binomial(n: int, p: float) -> _Weights:
    return np.array([comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


def onesided(first: int, chances: Sequence[float]) -> float:
    """Two-sided P of so uneven a count `first`, where answer i finds its best clip first with probability `chances[i]`."""
    if not chances:
        return inf
    distribution = np.ones(1)
    for chance in chances:
        distribution = np.convolve(distribution, [1 - chance, chance])
    return min(1.0, 2 * float(min(distribution[: first + 1].sum(), distribution[first:].sum())))
