"""What a run asked and which answers each of its looks at the data set found: the run log, and how a resumed run repeats it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from prefrl.errors import BadAnswer
from prefrl.runs import RunFolder
from prefrl.soundness import fault
from prefrl.store import DataSet
from prefrl.types import Preference, Query

FILE = "run_log.jsonl"
AHEAD = "ahead.json"  # in the run folder while a resumed run repeats what was seen before: look -> position


class RunLog:
    """Queries asked so far, current answers, and the position up to which the data set has been read.

    A run that is resumed finds answers in the data set that belong to rounds it is about to repeat. Each look is logged
    with the position it read to, and a repeated look reads no further than it did the first time.
    """

    def __init__(self, data: DataSet, folder: RunFolder) -> None:
        self._data, self._folder = data, folder
        self.queries: dict[str, Query] = {}
        self.current: dict[tuple[str, str, str], Preference] = {}  # by query, source and annotator
        self._position = self._looks = 0
        self._ahead: dict[int, int] = {}

    def asked(self, queries: Iterable[Query], step: int) -> None:
        """These are about to be asked."""
        for query in queries:
            self.queries[query.id] = query
            self._folder.append(FILE, {"query": query.id, "step": step})

    def look(self, fit: int, step: int) -> list[Preference]:
        """Current answers, with what came in since the last look, late answers included, in the order of positions."""
        limit = self._ahead.get(self._looks)
        fresh = set()
        for position, preference in self._data.preferences(after=self._position):
            if limit is not None and position > limit:
                break
            self._position = position
            fresh.add(self._take(preference))
            line = {"preference": preference.id, "revision": preference.revision, "fit": fit}
            self._folder.append(FILE, {**line, "step": step, "position": position})
        self._folder.append(FILE, {"look": self._looks, "fit": fit, "step": step, "position": self._position})
        self._looks += 1
        missing = {preference.query_id for preference in self.current.values()} - self.queries.keys()
        self.queries |= self._data.queries(sorted(missing)) if missing else {}
        for key in fresh:
            self._refuse_nonsense(self.current[key])
        return list(self.current.values())

    def _take(self, preference: Preference) -> tuple[str, str, str]:
        key = preference.query_id, preference.source, preference.annotator
        self.current[key] = preference
        return key

    def _refuse_nonsense(self, preference: Preference) -> None:
        """Answers that others wrote into the data set passed no panel."""
        query = self.queries[preference.query_id]
        wrong = fault(preference, query.kind, len(query.items))
        if wrong is not None:
            raise BadAnswer(
                f"Source '{preference.source}' gave query {query.id} ({query.kind} of {len(query.items)}) a bad answer in data "
                f"set '{self._data.name}': {wrong}. A new revision corrects it."
            )

    def state_dict(self) -> dict[str, Any]:
        """Queries and answers are in the data set; here are their ids and the place in it."""
        return {"queries": list(self.queries), "position": self._position, "looks": self._looks}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Once `repeat` has kept what the log says of the time after `state`."""
        self.queries = self._data.queries(state["queries"])
        self._position, self._looks = state["position"], state["looks"]
        for position, preference in self._data.preferences():
            if position <= self._position:
                self._take(preference)

    def repeat(self) -> None:
        """Keep how far each logged look read, before the log is cut back; also through several interruptions."""
        kept = self._folder.path / AHEAD
        known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        known |= {str(line["look"]): line["position"] for line in self._folder.lines(FILE) if "look" in line}
        self._folder.replace_json(AHEAD, known)
        self._ahead = {int(look): position for look, position in known.items()}
