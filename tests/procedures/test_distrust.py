"""Nothing is learned from answers of people whom their source distrusts, and they stay in the data set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from prefrl.specs import Desk, NoOptions, SourceSpec, hookimpl
from prefrl.store import open_store
from prefrl.types import Preference, Tiers


class Crowd:
    """Ann and Bob answer whatever is open, at once."""

    def open(self, desk: Desk) -> None:
        self._desk = desk

    def waiting(self, answered: int, asked: int) -> None:
        with open_store(self._desk.url, self._desk.folder) as store:
            data = store.data_set(self._desk.data_set)
            for query in data.queries(data.open_queries()).values():
                for name in ("ann", "bob"):
                    data.add(Preference.of(query, Tiers(((0,), (1,))), source="crowd", annotator=name))

    def distrusted(self) -> frozenset[str]:
        return frozenset({"bob"})

    def close(self) -> None:
        """Nothing to end."""


@hookimpl
def prefrl_register_sources() -> Iterable[SourceSpec]:
    yield SourceSpec(
        name="crowd",
        summary="two people",
        build=lambda *_: Crowd(),
        options=NoOptions,
        answers=frozenset({"pair"}),
        deferred=True,
        api=1,
    )


def test_bob_teaches_nothing(train: Callable[..., Any]) -> None:
    plugin = SimpleNamespace(__name__="crowd_plugin", prefrl_register_sources=prefrl_register_sources)
    run = train("distrust", "sources={crowd: {}}", "feedback.items=2", plugins=[plugin])
    given = [preference.annotator for _, preference in run.data.current()]
    assert given.count("ann") == given.count("bob") > 0
    fits = [json.loads(line) for line in (run.folder / "fits.jsonl").read_text().splitlines()]
    assert fits[-1]["preferences"] == given.count("ann")
