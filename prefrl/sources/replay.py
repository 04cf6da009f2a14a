"""The `file` source: queries in, the recorded answers of an exported data set out, matched by query id."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from prefrl.sources.options import FileOptions
from prefrl.specs import AskContext, BuildContext
from prefrl.store.exchange import read_export
from prefrl.types import Preference, Query

log = logging.getLogger(__name__)


def latest(preferences: Sequence[Preference]) -> Iterator[Preference]:
    """The latest revision of each query, source and annotator, in the order recorded."""
    revisions: dict[tuple[str, str, str], int] = {}
    for answer in preferences:
        key = (answer.query_id, answer.source, answer.annotator)
        revisions[key] = max(answer.revision, revisions.get(key, answer.revision))
    for answer in preferences:
        if answer.revision == revisions[answer.query_id, answer.source, answer.annotator]:
            yield answer


class Replay:
    """Answers as they were given, under this source's name; where several people answered a query, the last of them.

    Raises `ConfigError` if there is no such file, `DataError` if it is damaged or about another environment.
    """

    def __init__(self, options: FileOptions, context: BuildContext) -> None:
        recorded = read_export(options.path, context.env).preferences
        self._name = context.name
        self._answers = {answer.query_id: answer for answer in latest(recorded)}

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        """Yield what was recorded about `queries`; the others stay undecided."""
        del context
        known = [query for query in queries if query.id in self._answers]
        for query in known:
            yield self._replayed(query, self._answers[query.id])
        if len(known) < len(queries):
            log.warning(
                "Source %s: %d of %d queries have no recorded answer.",
                self._name,
                len(queries) - len(known),
                len(queries),
            )

    def _replayed(self, query: Query, recorded: Preference) -> Preference:
        return Preference.of(
            query,
            recorded.answer,
            source=self._name,
            annotator=recorded.annotator,
            group=recorded.group,
            strength=recorded.strength,
            rationale=recorded.rationale,
            shown_order=recorded.shown_order,
            seconds=recorded.seconds,
            created=recorded.created,
        )
