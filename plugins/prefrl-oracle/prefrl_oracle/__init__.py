"""The source `oracle`: queries with true rewards come in, answers by return go out."""

from collections.abc import Iterable

from prefrl.specs import Needs, SourceSpec, hookimpl, lazy
from prefrl_oracle.options import OracleOptions


def _needs(options: OracleOptions) -> Needs:
    return frozenset({"true_reward", "pool"} if options.watches else {"true_reward"})


@hookimpl
def prefrl_register_sources() -> Iterable[SourceSpec]:
    """Offer the oracle."""
    yield SourceSpec(
        name="oracle",
        summary="the true return decides: without error, or with the weaknesses of B-Pref's teachers",
        build=lazy("prefrl_oracle.oracle:Oracle"),
        options=OracleOptions,
        needs=_needs,
        answers=frozenset({"pair", "ranking", "choice"}),
    )
