"""Between the host and a source: full queries in, copies of what it declared out; answers in, sound ones out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from prefrl.errors import BadAnswer
from prefrl.soundness import fault
from prefrl.specs import Needs, Pool
from prefrl.types import Candidate, Channels, Correction, Episode, Item, Preference, Query, Segment

Recorded = TypeVar("Recorded", Segment, Episode)


def hide(query: Query, needs: Needs, privileged: frozenset[str]) -> Query:
    """`query` without what `needs` does not name; ids stay. `privileged` names the privileged factors.

    True reward and costs need "true_reward"; factors "factors" or, if privileged, "privileged_factors"; extras, of which
    nothing is known, "privileged_factors"; states "states" or "frames"; what the policy sampled "policy".
    """
    return replace(query, items=tuple(_hidden(item, needs, privileged) for item in query.items))


def _hidden(item: Item, needs: Needs, privileged: frozenset[str]) -> Item:
    if isinstance(item, Candidate) and item.clip is not None:
        return replace(item, clip=hidden(item.clip, needs, privileged))
    return hidden(item, needs, privileged) if isinstance(item, Segment) else item


def hidden(record: Recorded, needs: Needs, privileged: frozenset[str]) -> Recorded:
    """One clip or episode without what `needs` does not name."""
    visible = {
        name: values
        for name, values in record.factors.items()
        if ("privileged_factors" if name in privileged else "factors") in needs
    }
    reward, policy = "true_reward" in needs, "policy" in needs
    return replace(
        record,
        obs=_copy(record.obs),
        action=_copy(record.action),
        factors=_copies(visible),
        true_reward=_copy(record.true_reward) if reward else None,
        cost=_copies(record.cost) if reward else {},
        extras=_copies(record.extras) if "privileged_factors" in needs else {},
        states=_copy(record.states) if needs & {"states", "frames"} else None,
        policy_action=_copy(record.policy_action) if policy else None,
        log_prob=_copy(record.log_prob) if policy else None,
    )


def _copy(array: Any) -> Any:
    """A source that changes a clip must not change what is stored and learned from."""
    return array.copy() if isinstance(array, np.ndarray) else array


def _copies(channels: Channels) -> dict[str, Any]:
    return {name: _copy(array) for name, array in channels.items()}


class VisiblePool:
    """A pool as one source may see it: what it did not declare is hidden in every segment and episode handed out."""

    def __init__(self, pool: Pool, needs: Needs, privileged: frozenset[str]) -> None:
        self._pool, self._needs, self._privileged = pool, needs, privileged

    def sample(self, n: int, length: int, rng: np.random.Generator, window: int | None = None) -> Sequence[Any]:
        return self._pool.sample(n, length, rng, window)

    def segment(self, index: Any) -> Segment:
        return hidden(self._pool.segment(index), self._needs, self._privileged)

    def recent(self, n: int) -> Sequence[Episode]:
        return [hidden(episode, self._needs, self._privileged) for episode in self._pool.recent(n)]


def sound(given: Correction, name: str) -> Correction:
    """A correction by the source `name`; raise `BadAnswer` if its answer is not about its question."""
    query, answer = given.query, given.preference
    wrong = fault(answer, query.kind, len(query.items))
    if answer.query_id != query.id:
        wrong = "it answers another question"
    if answer.source != name:
        wrong = f"it is signed '{answer.source}', sign it with the name the source was given (BuildContext.name)"
    if wrong is not None:
        raise BadAnswer(f"Source '{name}' gave a correction with a bad answer: {wrong}.")
    return given


def checked(answers: Iterable[Preference], queries: Sequence[Query], name: str) -> Iterator[Preference]:
    """Pass on what the source `name` yields about `queries`, one at a time; raise `BadAnswer` at the first nonsense."""
    asked = {query.id: query for query in queries}
    seen: set[str] = set()
    for answer in answers:
        if not isinstance(answer, Preference):
            raise BadAnswer(
                f"Source '{name}' yielded a {type(answer).__name__} where prefrl.types.Preference is allowed."
            )
        query = asked.get(answer.query_id)
        if query is None:
            raise BadAnswer(f"Source '{name}' answered query {answer.query_id}, which it was not asked.")
        wrong = "it was answered before" if query.id in seen else fault(answer, query.kind, len(query.items))
        if answer.source != name:
            wrong = f"it is signed '{answer.source}', sign it with the name the source was given (BuildContext.name)"
        if wrong is not None:
            raise BadAnswer(
                f"Source '{name}' gave query {query.id} ({query.kind} of {len(query.items)}) a bad answer: {wrong}."
            )
        seen.add(query.id)
        yield answer
