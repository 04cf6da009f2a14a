"""The source `human`: questions of a data set in, what people answered in their browsers out."""

from collections.abc import Iterable

from prefrl.specs import SourceSpec, hookimpl, lazy
from prefrl_human.options import HumanOptions


@hookimpl
def prefrl_register_sources() -> Iterable[SourceSpec]:
    """Offer people."""
    yield SourceSpec(
        name="human",
        summary="people rank clips in the browser; training waits for all, some or none of them",
        build=lazy("prefrl_human.source:People"),
        options=HumanOptions,
        answers=frozenset({"pair", "ranking", "choice", "binary"}),
        deferred=True,
        api=1,
    )
