"""Sources that need no person: by the true return, a good policy, an attacker, users, a product's thumbs."""

from collections.abc import Iterable

from prefrl.specs import Needs, SourceSpec, hookimpl, lazy
from prefrl_oracle.options import (
    AttackerOptions,
    CorrectorOptions,
    OracleOptions,
    RegretOptions,
    ThumbsOptions,
    UsersOptions,
)

_FACTORS = frozenset({"factors", "privileged_factors"})


def _needs(options: OracleOptions) -> Needs:
    return frozenset({"true_reward", "pool"} if options.watches else {"true_reward"})


def _needs_of_attacker(options: AttackerOptions) -> Needs:
    return frozenset({"true_reward", *_FACTORS} if options.promote else {"true_reward"})


def _needs_of_users(options: UsersOptions) -> Needs:
    return _FACTORS if any(user.likes for user in options.users.values()) else frozenset()


@hookimpl
def prefrl_register_sources() -> Iterable[SourceSpec]:
    """Offer all of them."""
    yield SourceSpec(
        name="oracle",
        summary="the true return decides: without error, or with the weaknesses of B-Pref's teachers",
        build=lazy("prefrl_oracle.oracle:Oracle"),
        options=OracleOptions,
        needs=_needs,
        answers=frozenset({"pair", "ranking", "choice"}),
        api=1,
    )
    yield SourceSpec(
        name="regret",
        summary="the advantages of a good policy decide: how well a clip acts, wherever it began",
        build=lazy("prefrl_oracle.regret:Regret"),
        options=RegretOptions,
        needs=frozenset({"critic"}),
        answers=frozenset({"pair", "ranking", "choice"}),
        api=1,
    )
    yield SourceSpec(
        name="attacker",
        summary="the true return decides, and some answers are turned round on purpose, at random or where it harms most",
        build=lazy("prefrl_oracle.attacker:Attacker"),
        options=AttackerOptions,
        needs=_needs_of_attacker,
        api=1,
    )
    yield SourceSpec(
        name="users",
        summary="simulated users with goals of their own; each question is answered by one of them",
        build=lazy("prefrl_oracle.users:Users"),
        options=UsersOptions,
        needs=_needs_of_users,
        api=1,
    )
    yield SourceSpec(
        name="thumbs",
        summary="thumbs up or down on single clips, few and some meant badly",
        build=lazy("prefrl_oracle.thumbs:Thumbs"),
        options=ThumbsOptions,
        needs=frozenset({"true_reward", "pool"}),
        answers=frozenset({"binary"}),
        api=1,
    )
    yield SourceSpec(
        name="corrector",
        summary="the true return decides, and the worse clip is done again by a good policy: critique that shows how",
        build=lazy("prefrl_oracle.corrector:Corrector"),
        options=CorrectorOptions,
        needs=frozenset({"true_reward", "states", "env"}),
        api=1,
    )
