"""A language model that picks skills (learner `llm`, procedure `same_start`) or writes rewards (reward model `llm_author`)."""

from collections.abc import Iterable

from prefrl.specs import LearnerSpec, ProcedureSpec, RewardModelSpec, hookimpl, lazy
from prefrl_llm.options import AuthorOptions, LearnerOptions, SameStartOptions


@hookimpl
def prefrl_register_learners() -> Iterable[LearnerSpec]:
    """Offer the selector."""
    yield LearnerSpec(
        name="llm",
        api=1,
        summary="a language model that picks among named actions; answers alone fit it, with reward.model: policy",
        build=lazy("prefrl_llm.learner:LanguageLearner"),
        options=LearnerOptions,
    )


@hookimpl
def prefrl_register_procedures() -> Iterable[ProcedureSpec]:
    """Offer the loop that compares what one start led to."""
    yield ProcedureSpec(
        name="same_start",
        api=1,
        summary="several attempts from one start are compared, and the policy is fitted to the answers, by turns",
        build=lazy("prefrl_llm.procedure:SameStart"),
        options=SameStartOptions,
    )


@hookimpl
def prefrl_register_reward_models() -> Iterable[RewardModelSpec]:
    """Offer the writer of rewards."""
    yield RewardModelSpec(
        name="llm_author",
        api=1,
        summary="a language model that writes reward texts, fitted to answers about what they made robots do",
        build=lazy("prefrl_llm.author:Author"),
        options=AuthorOptions,
        aux=frozenset({"ref_logp", "length", "nll"}),
    )
