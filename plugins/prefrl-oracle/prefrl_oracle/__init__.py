"""The source `oracle`: queries with true rewards come in, answers by return go out."""

from collections.abc import Iterable

from prefrl.specs import SourceSpec, hookimpl, lazy
from prefrl_oracle.options import OracleOptions


@hookimpl
def prefrl_register_sources() -> Iterable[SourceSpec]:
    """Offer the oracle."""
    yield SourceSpec(
        name="oracle",
        summary="the true return decides: error-free, or Boltzmann-rational with beta",
        build=lazy("prefrl_oracle.oracle:Oracle"),
        options=OracleOptions,
        needs=frozenset({"true_reward"}),
        answers=frozenset({"pair", "ranking", "choice"}),
    )
