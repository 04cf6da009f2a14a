"""The sources `oracle` and `regret`: queries come in, answers by true return or by departure from a good policy go out."""

from collections.abc import Iterable

from prefrl.specs import Needs, SourceSpec, hookimpl, lazy
from prefrl_oracle.options import OracleOptions, RegretOptions


def _needs(options: OracleOptions) -> Needs:
    return frozenset({"true_reward", "pool"} if options.watches else {"true_reward"})


@hookimpl
def prefrl_register_sources() -> Iterable[SourceSpec]:
    """Offer the oracle and the regret teacher."""
    yield SourceSpec(
        name="oracle",
        summary="the true return decides: without error, or with the weaknesses of B-Pref's teachers",
        build=lazy("prefrl_oracle.oracle:Oracle"),
        options=OracleOptions,
        needs=_needs,
        answers=frozenset({"pair", "ranking", "choice"}),
    )
    yield SourceSpec(
        name="regret",
        summary="the advantages of a good policy decide: how well a clip acts, wherever it began",
        build=lazy("prefrl_oracle.regret:Regret"),
        options=RegretOptions,
        needs=frozenset({"critic"}),
        answers=frozenset({"pair", "ranking", "choice"}),
    )
