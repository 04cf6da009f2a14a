"""Several sources as one: queries in, durable answers out; what one source leaves undecided falls through to the next.

Of what others decided before it a source answers the share `overlap` as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prefrl.checkpoints import restore, state_of
from prefrl.errors import ConfigError
from prefrl.settings import SourceSettings
from prefrl.sources.guard import VisiblePool, checked, hide, sound
from prefrl.sources.hindsight import Hindsight, Simulator
from prefrl.specs import AskContext, BuildContext, Deferred, Desk, Discerning, Needs, Policy, Source, SourceSpec
from prefrl.store import DataSet
from prefrl.types import Correction, EnvInfo, Item, Preference, Query, Segment, content_hash

POLL_SECONDS = 0.2  # between looks at the store for answers that others write


@dataclass(frozen=True, slots=True)
class Seat:
    """One configured source: what it is, what it may see, and its terms."""

    name: str
    spec: SourceSpec
    settings: SourceSettings
    needs: Needs
    source: Source | None  # None for a deferred one, which answers through the store
    hindsight: Hindsight | None = None  # what clips become before it judges them
    later: Deferred | None = None  # what a deferred one built
    simulator: Simulator | None = None  # for one that shows how to do better


class Panel:
    """All sources of a run, asked in their order."""

    def __init__(self, seats: Sequence[Seat], data: DataSet, env: EnvInfo) -> None:
        self._seats = sorted(seats, key=lambda seat: seat.settings.order)
        self._data = data
        self._privileged = frozenset(name for name, factor in env.factors.items() if factor.privileged)
        self._asked: dict[str, int] = {seat.name: 0 for seat in seats}
        self._whole: dict[
            str, Item
        ] = {}  # clips that a source is shown or simulates, with all that was recorded, by id

    def __len__(self) -> int:
        return len(self._seats)

    @property
    def deferred(self) -> Sequence[str]:
        """Sources that answer through the store, when they please."""
        return [seat.name for seat in self._seats if seat.source is None]

    def open(self, desk: Desk) -> None:
        """Let those begin that answer later."""
        for seat in self._seats:
            if seat.later is not None:
                seat.later.open(desk)

    def close(self) -> None:
        """The run has ended."""
        for seat in self._seats:
            if seat.later is not None:
                seat.later.close()

    def distrusted(self) -> set[tuple[str, str]]:
        """(source, annotator) of those from whose answers nothing is to be learned at present."""
        found: set[tuple[str, str]] = set()
        for seat in self._seats:
            later: object = seat.later
            if isinstance(later, Discerning):
                found |= {(seat.name, who) for who in later.distrusted()}
        return found

    @property
    def weights(self) -> Mapping[str, float]:
        """Source name -> weight of its answers in the loss."""
        return {seat.name: seat.settings.weight for seat in self._seats}

    def ask(self, queries: Sequence[Query], context: Callable[[Seat], AskContext]) -> list[Preference]:
        """Every answer is stored before the next is asked for; undecided queries go on to the next source, and of the decided
        ones the share that it answers as well."""
        self._data.add_queries(queries)
        answers: list[Preference] = []
        for seat in self._seats:
            decided = {answer.query_id for answer in answers}
            open_to_it = [query for query in queries if query.id not in decided or _again(query, seat)]
            asked = self._within_budget(seat, open_to_it)
            if asked:
                answers += self._answers(seat, asked, context(seat))
        return answers

    def _within_budget(self, seat: Seat, queries: list[Query]) -> list[Query]:
        budget = seat.settings.budget
        allowed = queries if budget is None else queries[: max(0, budget - self._asked[seat.name])]
        self._asked[seat.name] += len(allowed)
        return allowed

    def _answers(self, seat: Seat, queries: Sequence[Query], context: AskContext) -> list[Preference]:
        asked = [query.id for query in queries]
        known = {p.query_id: p for _, p in self._data.current(asked) if p.source == seat.name}
        answers = [known[query.id] for query in queries if query.id in known]  # a redone round asks nothing twice
        rest = [query for query in queries if query.id not in known]
        if seat.source is None:
            return answers + list(self._awaited(seat, rest))
        shown = rest if seat.hindsight is None else [seat.hindsight.query(query, context.policy) for query in rest]
        visible = [hide(query, seat.needs, self._privileged) for query in shown]
        if "policy" not in seat.needs:
            context = replace(context, policy=None)
        if context.pool is not None:
            context = replace(context, pool=VisiblePool(context.pool, seat.needs, self._privileged))
        if seat.simulator is not None:
            self._whole = {item.id: item for query in rest for item in query.items}
            context = replace(context, simulate=self._remembering(seat.simulator))
        corrections: list[Preference] = []
        for answer in checked(self._answers_of(seat, visible, context, corrections), visible, seat.name):
            self._data.add(answer)
            answers.append(answer)
        return answers + corrections

    def _answers_of(
        self, seat: Seat, visible: Sequence[Query], context: AskContext, corrections: list[Preference]
    ) -> Iterator[Preference]:
        """The answers among what a source gives; what it corrects is stored the moment it is yielded."""
        assert seat.source is not None
        for given in seat.source.label(visible, context):
            if isinstance(given, Correction):
                corrections.append(self._corrected(sound(given, seat.name), seat))
            else:
                yield given

    def _remembering(self, simulator: Simulator) -> Callable[[Segment, Policy, int], Segment]:
        """Simulates, and keeps what came out whole: a source hands back what it likes of it."""

        def simulate(clip: Segment, policy: Policy, steps: int) -> Segment:
            made = simulator.from_the_beginning(clip, policy, steps)
            self._whole[made.id] = made
            return made

        return simulate

    def _corrected(self, given: Correction, seat: Seat) -> Preference:
        """Store what a source asked and answered by itself; it counts against its budget."""
        items = tuple(self._whole.get(item.id, item) for item in given.query.items)
        self._data.add_queries([replace(given.query, items=items)])
        self._data.add(given.preference)
        self._asked[seat.name] += 1
        return given.preference

    def _awaited(self, seat: Seat, queries: Sequence[Query]) -> Iterator[Preference]:
        """Answers that come through the store while the round waits: for all of them, for some, or not at all."""
        asked = {query.id: query for query in queries}
        open_ids = set(asked)
        cursor, got = 0, 0
        while open_ids and seat.settings.wait != "none" and not (seat.settings.wait == "some" and got):
            for position, answer in self._data.preferences(after=cursor):
                cursor = position
                if answer.query_id in open_ids and answer.source == seat.name:
                    open_ids.discard(answer.query_id)
                    got += 1
                    yield from checked([answer], [asked[answer.query_id]], seat.name)
            if open_ids:
                if seat.later is not None:
                    seat.later.waiting(got, len(asked))
                time.sleep(POLL_SECONDS)

    def state_dict(self) -> Mapping[str, Any]:
        return {"asked": dict(self._asked), "sources": {seat.name: state_of(seat.source) for seat in self._seats}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._asked = dict(state["asked"])
        for seat in self._seats:
            restore(seat.source, state["sources"][seat.name])


def _again(query: Query, seat: Seat) -> bool:
    """Whether this source answers a decided question too; depends on question and source alone."""
    drawn = int(content_hash(seat.name.encode(), query.id.encode())[:8], 16) / 2**32
    return drawn < seat.settings.overlap


def seat(name: str, spec: SourceSpec, settings: SourceSettings, context: BuildContext, kind: str) -> Seat:
    """Build one source; refuse one that cannot answer the run's kind of question, or may never be asked."""
    if kind not in spec.answers:
        raise ConfigError(
            f"sources.{name}: '{spec.name}' cannot answer '{kind}' questions (it answers {', '.join(sorted(spec.answers))}); "
            f"change feedback.items or take another source."
        )
    if settings.budget == 0:
        raise ConfigError(
            f"sources.{name}: with a budget of 0 it is never asked; raise it, set null for no limit of its own, or take the "
            f"source out."
        )
    hindsight = None
    if settings.hindsight:
        if spec.deferred or context.make_env is None:
            raise ConfigError(
                f"sources.{name}.hindsight: '{spec.name}' answers later, about clips as they were recorded; set it to 0."
            )
        hindsight = Hindsight(settings.hindsight, context.make_env, context.env, f"sources.{name}")
    needs, simulator = spec.needs_of(settings.options), None
    if "env" in needs and context.make_env is not None and not spec.deferred:
        if not context.env.has_states:
            raise ConfigError(
                f"sources.{name}: '{spec.name}' shows how to do better, and no MuJoCo states of {context.env.id} are recorded "
                f"that it could begin in; take another source."
            )
        simulator = Simulator(context.make_env, context.env)
    built = spec.build(settings.options, context)
    source, later = (None, built) if spec.deferred else (built, None)
    return Seat(name, spec, settings, needs, source, hindsight, later, simulator)
