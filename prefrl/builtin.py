"""What every run needs, offered through the same door as a stranger's plugin; everything is imported when it is built."""

from __future__ import annotations

from collections.abc import Iterable

from prefrl.executors.options import LocalOptions, RayOptions
from prefrl.filters.options import ReliabilityOptions, RimeOptions, VotesOptions
from prefrl.learners.options import PPOOptions, RecentOptions, SACOptions, TD3Options
from prefrl.losses.registered import losses
from prefrl.procedures.options import GameOptions, OfflineOptions, OnlineOptions
from prefrl.queries.options import SimilarityOptions
from prefrl.rewards.options import (
    CropOptions,
    DisagreementOptions,
    DynamicsOptions,
    EnsembleOptions,
    EntropyOptions,
    FactorsOptions,
    PairwiseOptions,
    PolicyOptions,
    ShortenOptions,
    TransformerOptions,
    UsersOptions,
)
from prefrl.sources.options import FileOptions
from prefrl.specs import (
    AugmentationSpec,
    BonusSpec,
    ExecutorSpec,
    LabelFilterSpec,
    LearnerSpec,
    LossSpec,
    Needs,
    PretrainerSpec,
    ProcedureSpec,
    ReplaySamplerSpec,
    RewardModelSpec,
    SelectorSpec,
    SourceSpec,
    hookimpl,
    lazy,
)

EVERY_KIND = frozenset({"pair", "ranking", "choice", "grade", "binary", "similarity"})


def _needs_of_factors(options: FactorsOptions) -> Needs:
    return frozenset({"factors", "privileged_factors"} if options.privileged else {"factors"})


@hookimpl
def prefrl_register_sources() -> Iterable[SourceSpec]:
    """Recorded answers; people, teachers and programs come as plugins."""
    yield SourceSpec(
        name="file",
        summary="answers recorded before, from a file that `prefrl data export` wrote",
        options=FileOptions,
        build=lazy("prefrl.sources.replay:Replay"),
        answers=EVERY_KIND,
        gives=EVERY_KIND,
    )


@hookimpl
def prefrl_register_selectors() -> Iterable[SelectorSpec]:
    """Uniform, by what the members say, by what the clips show, and mixes."""
    selectors, coverage = "prefrl.queries.selectors", "prefrl.queries.coverage"
    yield SelectorSpec(name="uniform", summary="whatever is drawn from the pool", build=lazy(f"{selectors}:uniform"))
    yield SelectorSpec(
        name="disagreement",
        summary="where the members of the ensemble disagree most",
        build=lazy(f"{selectors}:disagree"),
    )
    yield SelectorSpec(
        name="entropy",
        summary="where the members can least tell which is better",
        build=lazy(f"{selectors}:most_uncertain"),
    )
    yield SelectorSpec(name="kcenter", summary="far from all that was asked before", build=lazy(f"{coverage}:k_center"))
    yield SelectorSpec(
        name="disagreement_kcenter",
        summary="k-center within the half on which the members disagree most",
        build=lazy(f"{coverage}:disagreement_k_center"),
    )
    yield SelectorSpec(
        name="entropy_kcenter",
        summary="k-center within the half that the members can least tell",
        build=lazy(f"{coverage}:entropy_k_center"),
    )
    yield SelectorSpec(
        name="similarity",
        summary="some near to what was asked before, some far from it",
        options=SimilarityOptions,
        build=lazy(f"{coverage}:Similarity"),
    )


@hookimpl
def prefrl_register_reward_models() -> Iterable[RewardModelSpec]:
    """The ensemble, and the ground truth."""
    yield RewardModelSpec(
        name="ensemble",
        summary="MLPs of observation and action, averaged",
        options=EnsembleOptions,
        build=lazy("prefrl.rewards.ensemble:Ensemble"),
        aux=frozenset({"times"}),
    )
    yield RewardModelSpec(
        name="factors",
        summary="what each of a few chosen factors is worth, by a small curve each, and a rest of observation and action",
        options=FactorsOptions,
        build=lazy("prefrl.rewards.factors:FactorReward"),
        needs=_needs_of_factors,
        aux=frozenset({"times", "contributions"}),
    )
    yield RewardModelSpec(
        name="users",
        summary="a reward for each of several users who want different things, and for a new one after a few answers (VPL)",
        options=UsersOptions,
        build=lazy("prefrl.rewards.users:UserReward"),
        aux=frozenset({"times", "latent_mu", "latent_logvar"}),
    )
    yield RewardModelSpec(
        name="dynamics",
        summary="the same on encoders that also learn what each step leads to, labels or not (REED)",
        options=DynamicsOptions,
        build=lazy("prefrl.rewards.dynamics:Dynamics"),
    )
    yield RewardModelSpec(
        name="transformer",
        summary="a transformer of whole clips with attention over their steps (Preference Transformer)",
        options=TransformerOptions,
        build=lazy("prefrl.rewards.transformer:PreferenceTransformer"),
    )
    yield RewardModelSpec(
        name="policy",
        summary="none: the policy itself is fitted to answers by its log-probabilities (CPL, DPO, imitation)",
        options=PolicyOptions,
        build=lazy("prefrl.rewards.policy:ByPolicy"),
        aux=frozenset({"length", "ref_logp", "nll"}),
    )
    yield RewardModelSpec(
        name="pairwise",
        summary="a preference model of two clips that may be intransitive; use it with loss preference_matrix",
        options=PairwiseOptions,
        build=lazy("prefrl.games.model:PairwiseModel"),
        aux=frozenset({"pref_logit"}),
    )
    yield RewardModelSpec(
        name="true_reward",
        summary="the environment's own reward: the ground-truth arm (privileged)",
        build=lazy("prefrl.rewards.truth:true_reward"),
        needs=frozenset({"true_reward"}),
        trained=False,
    )


@hookimpl
def prefrl_register_losses() -> Iterable[LossSpec]:
    """The loss core."""
    return [LossSpec(**spec) for spec in losses()]


@hookimpl
def prefrl_register_learners() -> Iterable[LearnerSpec]:
    """Stable-Baselines3."""
    yield LearnerSpec(
        name="ppo",
        summary="SB3's proximal policy optimisation",
        options=PPOOptions,
        build=lazy("prefrl.learners.on_policy:PPOLearner"),
    )
    yield LearnerSpec(
        name="sac",
        summary="SB3's soft actor-critic",
        options=SACOptions,
        build=lazy("prefrl.learners.off_policy:SACLearner"),
        off_policy=True,
    )
    yield LearnerSpec(
        name="td3",
        summary="SB3's twin delayed deep deterministic policy gradient",
        options=TD3Options,
        build=lazy("prefrl.learners.off_policy:TD3Learner"),
        off_policy=True,
    )


@hookimpl
def prefrl_register_procedures() -> Iterable[ProcedureSpec]:
    """The preference loop, and learning from what it left behind."""
    yield ProcedureSpec(
        name="online",
        summary="ask, fit and learn by turns to the end of the run",
        options=OnlineOptions,
        build=lazy("prefrl.procedures.online:Online"),
    )
    yield ProcedureSpec(
        name="offline",
        summary="learn from the answers a data set holds, asking nobody",
        options=OfflineOptions,
        build=lazy("prefrl.procedures.offline:Offline"),
    )
    yield ProcedureSpec(
        name="game",
        summary="compare saved policies and mix them so that nothing beats the mixture by much",
        options=GameOptions,
        build=lazy("prefrl.procedures.game:Game"),
    )


@hookimpl
def prefrl_register_executors() -> Iterable[ExecutorSpec]:
    """This machine, or a cluster."""
    yield ExecutorSpec(
        name="local",
        summary="a fresh process of this machine per call",
        options=LocalOptions,
        build=lazy("prefrl.executors.local:LocalExecutor"),
    )
    yield ExecutorSpec(
        name="ray",
        summary="Ray Core: the cluster that RAY_ADDRESS names, or this machine",
        options=RayOptions,
        build=lazy("prefrl.executors.ray:RayExecutor"),
    )


@hookimpl
def prefrl_register_augmentations() -> Iterable[AugmentationSpec]:
    """Crops."""
    yield AugmentationSpec(
        name="crop", summary="random crops of equal length", options=CropOptions, build=lazy("prefrl.augment:Crop")
    )
    yield AugmentationSpec(
        name="shorten",
        summary="random crops between two lengths (QPA)",
        options=ShortenOptions,
        build=lazy("prefrl.augment:Shorten"),
    )


@hookimpl
def prefrl_register_bonuses() -> Iterable[BonusSpec]:
    """Disagreement."""
    yield BonusSpec(
        name="disagreement",
        summary="what the members of the ensemble do not agree on (RUNE)",
        options=DisagreementOptions,
        build=lazy("prefrl.bonuses:Disagreement"),
    )


@hookimpl
def prefrl_register_replay_samplers() -> Iterable[ReplaySamplerSpec]:
    """Hybrid replay."""
    yield ReplaySamplerSpec(
        name="recent",
        summary="some of each batch from what was recorded last (QPA)",
        options=RecentOptions,
        build=lazy("prefrl.learners.recency:Recent"),
    )


@hookimpl
def prefrl_register_label_filters() -> Iterable[LabelFilterSpec]:
    """What is done about wrong answers before the loss sees them."""
    yield LabelFilterSpec(
        name="rime",
        summary="trusts answers that the model can nearly explain, turns round those it is sure are wrong",
        options=RimeOptions,
        build=lazy("prefrl.filters.rime:Rime"),
        corrects_noise=True,
    )
    yield LabelFilterSpec(
        name="votes",
        summary="asks models fitted without an answer what they make of it; the loss's label_tf says what for",
        options=VotesOptions,
        build=lazy("prefrl.filters.votes:Votes"),
        gives=frozenset({"votes"}),
    )
    yield LabelFilterSpec(
        name="reliability",
        summary="learns how often each source and annotator is wrong, and what is then probably true of a question",
        options=ReliabilityOptions,
        build=lazy("prefrl.filters.reliability:Reliability"),
        corrects_noise=True,
    )


@hookimpl
def prefrl_register_pretrainers() -> Iterable[PretrainerSpec]:
    """Random actions and state entropy."""
    yield PretrainerSpec(
        name="random", summary="uniformly random actions", build=lazy("prefrl.pretrain:random_actions")
    )
    yield PretrainerSpec(
        name="entropy",
        summary="learns to reach unseen states",
        options=EntropyOptions,
        build=lazy("prefrl.pretrain:EntropyExploration"),
    )
