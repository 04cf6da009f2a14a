"""The source `heron` and the reward model `heron_sum`: a ranking of reward factors in, answers or a reward out."""

from collections.abc import Iterable

from prefrl.specs import Needs, RewardModelSpec, SourceSpec, hookimpl, lazy
from prefrl_heron.options import HeronOptions, RankingOptions, SumOptions


def _factors(options: RankingOptions) -> frozenset[str]:
    return frozenset({"factors", "privileged_factors"} if options.privileged else {"factors"})


def _needs_of_source(options: HeronOptions) -> Needs:
    return _factors(options) | {"pool"}


def _needs_of_sum(options: SumOptions) -> Needs:
    return _factors(options) | {"env"}


@hookimpl
def prefrl_register_sources() -> Iterable[SourceSpec]:
    """Offer the hierarchy."""
    yield SourceSpec(
        name="heron",
        summary="a ranking of factors decides: the first by which two clips differ by more than its margin",
        build=lazy("prefrl_heron.source:Heron"),
        options=HeronOptions,
        needs=_needs_of_source,
        answers=frozenset({"pair", "ranking", "choice"}),
        api=1,
    )


@hookimpl
def prefrl_register_reward_models() -> Iterable[RewardModelSpec]:
    """Offer what HERON is compared with."""
    yield RewardModelSpec(
        name="heron_sum",
        summary="the weighted sum of ranked factors, no answers asked: HERON's reward-engineering baseline",
        build=lazy("prefrl_heron.weighted:WeightedSum"),
        options=SumOptions,
        needs=_needs_of_sum,
        trained=False,
        api=1,
    )
