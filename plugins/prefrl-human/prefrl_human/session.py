"""Open questions of a data set in, what each person is to see next out; their answers in, durable records out.

Everything here is called by one thread: a server has one clerk, and other processes share the store.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from prefrl.errors import DataError
from prefrl.specs import named_rng
from prefrl.store import DataSet, Store
from prefrl.types import Candidate, Item, Preference, Query, Segment, Tiers
from prefrl_human import checks
from prefrl_human.answers import WITHDRAWN, Refused, Sent, preference
from prefrl_human.place import Place
from prefrl_human.records import HIDDEN, SUFFIX, Check

AHEAD = 3  # questions given to a page at once: the one shown and those made ready
TOLERANCE = 0.05  # seconds by which clocks may differ
FPS = 20  # of clips whose task does not say its time step


class Conflict(DataError):
    """An answer that contradicts what is stored; the page has to look again."""


class Unknown(DataError):
    """No such question."""


@dataclass(frozen=True, slots=True)
class Serving:
    """One question as one person is to see it. `order[p]` is the item at position p."""

    query: Query
    order: tuple[int, ...]
    revision: int  # of the next answer
    check: Check | None = None

    @property
    def segments(self) -> tuple[Item, ...]:
        """The items in the order of the page."""
        return tuple(self.query.items[item] for item in self.order)


@dataclass(slots=True)
class Person:
    """What one annotator did so far: the latest revisions by query, in the order of the first ones."""

    answers: dict[str, Preference] = field(default_factory=dict)
    checked: dict[str, tuple[Preference, Check]] = field(default_factory=dict)
    planned: dict[int, Serving] = field(default_factory=dict)
    served: dict[str, Serving] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Questions answered, checks included."""
        return len(self.answers) + len(self.checked)


class Session:
    """The desk at which people answer."""

    def __init__(self, store: Store, place: Place) -> None:
        self._store, self._place = store, place
        self._options = place.options
        self.data: DataSet = store.data_set(place.data_set)
        self._checks: DataSet | None = None
        self._people: dict[str, Person] = {}

    # --- out -------------------------------------------------------------------------------------------------------

    def upcoming(self, who: str, n: int = AHEAD) -> list[Serving]:
        """Up to `n` questions for `who`, the first to be shown now; asked again it gives the same."""
        person = self._person(who)
        found = [self._again(answer, None) for answer in person.answers.values() if _withdrawn(answer)]
        found += [self._again(answer, check) for answer, check in person.checked.values() if _withdrawn(answer)]
        found = found[:n]
        held = self.data.leases(who, self._options.lease, self._options.per_question, n)
        waiting = iter(self._servings(who, held))
        number = person.number
        while len(found) < n:
            serving = next(waiting, None)
            if serving is None:
                break
            check = self._check(who, person, number)
            if check is not None:
                found.append(check)
                number += 1
            if len(found) < n:
                found.append(serving)
                number += 1
        person.served |= {serving.query.id: serving for serving in found}
        return found

    def left(self) -> int:
        """Questions that still lack people."""
        return len(self.data.open_queries())

    def answered(self, who: str) -> int:
        """Ordinary questions `who` has answered or skipped."""
        return sum(not _withdrawn(answer) for answer in self._person(who).answers.values())

    def pace(self, who: str) -> float | None:
        """Median seconds `who` takes for an answer; None before the third."""
        taken = sorted(p.seconds for p in self._person(who).answers.values() if p.seconds is not None)
        return taken[len(taken) // 2] if len(taken) >= 3 else None

    # --- in --------------------------------------------------------------------------------------------------------

    def answer(self, who: str, sent: Sent) -> int:
        """Store what was sent; how many questions `who` has answered. It is on disk when this returns.

        Raises `Unknown`, `Conflict` (another answer is stored in its place, or others have answered meanwhile), `Refused`.
        """
        person = self._person(who)
        serving = person.served.get(sent.query) or self._recall(who, sent.query)
        least = self.least(serving.query)
        if sent.outcome == "answered" and sent.seconds + TOLERANCE < least:
            raise Refused(
                f"This question was on the page for {sent.seconds:.1f} s; watch at least {least:.1f} s of it."
            )
        data = self.data if serving.check is None else self._check_data()
        if serving.check is None and not data.admits(sent.query, who, self._options.per_question):
            raise Conflict("Others have answered this question meanwhile.")
        record = preference(sent, serving.query, serving.order, source=self._place.source, who=who, now=time.time())
        try:
            data.add(record)
        except DataError as error:
            self._people.pop(who, None)  # another process may have written: look anew
            raise Conflict(str(error)) from error
        self._take(person, record, serving.check)
        return self.answered(who)

    def _take(self, person: Person, record: Preference, check: Check | None) -> None:
        known = person.answers.get(record.query_id)
        if check is not None:
            before = person.checked.get(record.query_id)
            if before is None or before[0].revision < record.revision:
                person.checked[record.query_id] = record, check
        elif known is None or known.revision < record.revision:
            person.answers[record.query_id] = record

    # --- what was before -------------------------------------------------------------------------------------------

    def _person(self, who: str) -> Person:
        if who not in self._people:
            person = self._people[who] = Person()
            for answer in self._theirs(self.data, who):
                self._take(person, answer, None)
            if self._checks is not None or self._has_checks():
                data = self._check_data()
                answers = self._theirs(data, who)
                asked = data.queries((answer.query_id for answer in answers), without=HIDDEN)
                for answer in answers:
                    self._take(person, answer, Check.of_why(asked[answer.query_id].why))
        return self._people[who]

    def _theirs(self, data: DataSet, who: str) -> list[Preference]:
        return [p for _, p in data.current() if p.annotator == who and p.source == self._place.source]

    def _has_checks(self) -> bool:
        name = self.data.name + SUFFIX
        return any(one.name == name for one in self._store.data_sets())

    def _check_data(self) -> DataSet:
        if self._checks is None:
            self._checks = self._store.data_set(self.data.name + SUFFIX, self.data.env)
        return self._checks

    def _recall(self, who: str, query_id: str) -> Serving:
        """A question that was served before this process began."""
        try:
            return self._serving(who, self.data.queries([query_id], without=HIDDEN)[query_id])
        except DataError:
            if not self._has_checks():
                raise Unknown("There is no such question.") from None
        try:
            query = self._check_data().queries([query_id], without=HIDDEN)[query_id]
        except DataError:
            raise Unknown("There is no such question.") from None
        check = Check.of_why(query.why)
        order = self._order(who, query)
        original = self._person(who).answers.get(check.of or "")
        if original is not None and original.shown_order is not None:
            order = original.shown_order if check.kind == "repeat" else original.shown_order[::-1]
        return Serving(query, order, 0, check)

    # --- what is next ----------------------------------------------------------------------------------------------

    def _servings(self, who: str, ids: Iterable[str]) -> list[Serving]:
        served = self._person(who).served
        hidden = HIDDEN if not self._options.overlay else HIDDEN - {"factors"}
        fresh = self.data.queries([key for key in ids if key not in served], without=hidden)
        return [served[key] if key in served else self._serving(who, fresh[key]) for key in ids]

    def _serving(self, who: str, query: Query) -> Serving:
        return Serving(query, self._order(who, query), 0)

    def _again(self, answer: Preference, check: Check | None) -> Serving:
        """A question whose answer was taken back."""
        data = self.data if check is None else self._check_data()
        query = data.query(answer.query_id, without=HIDDEN)
        return Serving(query, answer.shown_order or tuple(range(len(query.items))), answer.revision + 1, check)

    def _order(self, who: str, query: Query) -> tuple[int, ...]:
        """Random, and the same whenever it is asked for."""
        rng = named_rng(self._place.seed, "sides", who, query.id)
        return tuple(int(item) for item in rng.permutation(len(query.items)))

    def _check(self, who: str, person: Person, number: int) -> Serving | None:
        options = self._options.checks
        if number in person.planned and person.planned[number].query.id not in person.checked:
            return person.planned[number]
        if not checks.due(options, self._place.seed, who, number):
            return None
        known: list[tuple[str, Tiers]] = []
        if options.known is not None:
            known = checks.known_winners((p for _, p in self.data.current()), options.known)
        used = {check.of for _, check in person.checked.values() if check.of is not None}
        used |= {serving.check.of for serving in person.planned.values() if serving.check and serving.check.of}
        made = checks.make(
            number, who, list(person.answers.values()), used, known, len(person.checked), self._place.seed
        )
        return None if made is None else self._plan(who, person, number, *made)

    def _plan(
        self, who: str, person: Person, number: int, key: str, check: Check, order: tuple[int, ...] | None
    ) -> Serving:
        original = self.data.queries([key], without={"true_reward", "cost", "extras"})[key]
        query = Query.of(
            f"{self.data.name}/{who}",
            number,
            original.items,
            kind=original.kind,
            question=original.question,
            why=check.why,
        )
        self._check_data().add_queries([query])
        person.planned[number] = Serving(query, order or self._order(who, query), 0, check)
        return person.planned[number]

    def least(self, query: Query) -> float:
        """Seconds for which a question has to be shown before an answer counts."""
        clips = [clip for item in query.items if (clip := clip_of(item)) is not None]
        step = self.data.env.dt or 1 / FPS
        return self._options.watch * max((len(clip) * clip.dt * step for clip in clips), default=0.0)


def clip_of(item: Item) -> Segment | None:
    """What of an item is shown as a clip; None for texts."""
    return item.clip if isinstance(item, Candidate) else item if isinstance(item, Segment) else None


def _withdrawn(answer: Preference) -> bool:
    return answer.outcome == "skip" and answer.rationale.text == WITHDRAWN
