"""The plugin of the examples: a source that answers by the true return, so that a tiny run needs no other distribution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from prefrl.options import NoOptions
from prefrl.specs import AskContext, BuildContext, SourceSpec, hookimpl
from prefrl.types import Preference, Query, Tiers


class ByTrueReturn:
    """Ranks the clips of each question."""

    def __init__(self, options: NoOptions, context: BuildContext) -> None:
        self._name = context.name

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        for query in queries:
            returns = np.array([np.sum(item.true_reward) for item in query.items])  # type: ignore[union-attr, arg-type]  # clips
            ranks = np.searchsorted(np.unique(-returns), -returns)
            yield Preference.of(query, Tiers.of_ranks(ranks.tolist()), source=self._name)


@hookimpl
def prefrl_register_sources() -> Iterable[SourceSpec]:
    """Offer it."""
    yield SourceSpec(
        name="example_teacher",
        summary="the true return decides",
        build=ByTrueReturn,
        needs=frozenset({"true_reward"}),
        api=1,
    )
