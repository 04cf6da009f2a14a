"""The parts a pair loss is made of, with their settings; frozen records, no torch.

L = reduce_w[ sum_(i,j) weight_ij * link(T(s)_i, T(s)_j; label_tf(p), m) ] + sum_r coef_r * reg_r
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from prefrl.losses.part import OneOf, Part, PartOptions

Ties = Literal["half", "drop", "model"]
Rate = Annotated[float, Field(ge=0, lt=0.5)]

# --- links: how two scores become the loss of "i beats j" ------------------------------------------------------------


class LinkOptions(PartOptions):
    """`ties`: what a link does with ties unless told; `corrects_noise`: it models wrong answers itself."""

    ties: ClassVar[Ties] = "half"
    corrects_noise: ClassVar[bool] = False


class Logistic(LinkOptions):
    """softplus(-d): Bradley-Terry, DPO."""


class NoiseFloor(LinkOptions):
    """The modelled probability never leaves [e/2, 1 - e/2], so one wrong answer costs at most -log(e/2)."""

    corrects_noise: ClassVar[bool] = True
    epsilon: float = Field(0.1, gt=0, lt=1, description="share of answers given at random")


class Robust(LinkOptions):
    """Unbiased under flips at a known rate (rDPO); unbounded below, so stop early."""

    ties: ClassVar[Ties] = "drop"
    corrects_noise: ClassVar[bool] = True
    epsilon: Rate = Field(0.1, description="probability that an answer is flipped")


class Hinge(LinkOptions):
    """max(0, delta - d): SLiC."""

    delta: float = Field(1.0, gt=0)


class Squared(LinkOptions):
    """(d - (2p-1)/(2 tau))^2: IPO."""

    tau: float = Field(0.1, gt=0)


class Biased(LinkOptions):
    """softplus(bias * loser - winner): CPL."""

    bias: float = Field(0.5, gt=0, le=1, description="lambda; below 1 it also pushes absolute scores up")

    def shift_invariant(self) -> bool:
        return self.bias == 1.0


class RaoKupper(LinkOptions):
    """Ties by a threshold log(nu) on the difference."""

    ties: ClassVar[Ties] = "model"
    nu: float = Field(3.0, gt=1, description="3: a tie has probability 1/2 between equals")
    learn: bool = False


class Davidson(LinkOptions):
    """Ties by a third outcome of weight 2 nu."""

    ties: ClassVar[Ties] = "model"
    nu: float = Field(1.0, gt=0, description="1: a tie has probability 1/2 between equals")
    learn: bool = False


class Exponential(LinkOptions):
    """exp(-d), the exponent clamped at 80."""


class Absolute(LinkOptions):
    """softplus(-winner) + softplus(loser): each score against zero (BCO)."""

    def shift_invariant(self) -> bool:
        return False


LINKS: Mapping[str, type[PartOptions]] = {
    "logistic": Logistic, "noise_floor": NoiseFloor, "robust": Robust, "hinge": Hinge, "squared": Squared, "biased": Biased,
    "rao_kupper": RaoKupper, "davidson": Davidson, "exponential": Exponential, "absolute": Absolute,
}  # fmt: skip
LinkPart = Annotated[Part, OneOf(LINKS, "link")]


# --- transforms: raw sums of a scorer become the scores that are compared; the only place of scale and reference -----


class Temperature(PartOptions):
    """s / tau."""

    tau: float = Field(1.0, gt=0)
    learn: bool = False


class Scale(PartOptions):
    """alpha * s."""

    alpha: float = Field(1.0, gt=0)


class LogRatio(PartOptions):
    """beta * (s - ref_logp), or its mean over the length."""

    beta: float = Field(0.1, gt=0)
    norm: Literal["sum", "mean"] = "sum"

    def requires(self) -> frozenset[str]:
        return frozenset({"ref_logp", "length"} if self.norm == "mean" else {"ref_logp"})


class AverageLogp(PartOptions):
    """beta * s / length."""

    beta: float = Field(2.0, gt=0)

    def requires(self) -> frozenset[str]:
        return frozenset({"length"})


class LogOdds(PartOptions):
    """log p/(1-p) of the mean log-probability per step."""

    def requires(self) -> frozenset[str]:
        return frozenset({"length"})

    def shift_invariant(self) -> bool:
        return False


class FDivergence(PartOptions):
    """g(s) of a log-ratio s: the optimal reward under another divergence than the reverse KL."""

    divergence: Literal["reverse_kl", "forward_kl", "jensen_shannon", "alpha"] = "jensen_shannon"
    alpha: float = Field(0.5, gt=0, lt=1, description="of the alpha divergence alone")

    def shift_invariant(self) -> bool:
        return self.divergence == "reverse_kl"

    @model_validator(mode="after")
    def _used(self) -> Self:
        if self.alpha != 0.5 and self.divergence != "alpha":
            raise ValueError(f"alpha has no effect on the divergence '{self.divergence}': leave it out, or use alpha")
        return self


class OtherObjectives(PartOptions):
    """(s - w_rest . others) / w_first: what is left for this objective (MODPO)."""

    weights: tuple[float, ...] = Field((0.5, 0.5), min_length=1, description="of this objective, then of `others`")

    def requires(self) -> frozenset[str]:
        return frozenset({"others"} if len(self.weights) > 1 and any(self.weights[1:]) else ())

    @model_validator(mode="after")
    def _convex(self) -> Self:
        if min(self.weights) < 0 or self.weights[0] == 0 or abs(sum(self.weights) - 1) > 1e-6:
            raise ValueError(f"weights {self.weights} must be non-negative, sum to 1, and the first be positive")
        return self


class MixtureReference(PartOptions):
    """s - share * ref_logp - (1 - share) * prev_logp (INPO)."""

    share: float = Field(1 / 3, ge=0, le=1, description="tau / eta")

    def requires(self) -> frozenset[str]:
        reads = {"ref_logp": self.share > 0, "prev_logp": self.share < 1}
        return frozenset(key for key, used in reads.items() if used)


class Clip(PartOptions):
    """s clamped to +-limit; beyond it nothing is learned."""

    limit: float = Field(50.0, gt=0)

    def shift_invariant(self) -> bool:
        return False


class StandardiseByGroup(PartOptions):
    """(s - mean) / std of each group in the batch, detached: users on one scale."""


TRANSFORMS: Mapping[str, type[PartOptions]] = {
    "temperature": Temperature, "scale": Scale, "log_ratio": LogRatio, "average_logp": AverageLogp, "log_odds": LogOdds,
    "f_divergence": FDivergence, "other_objectives": OtherObjectives, "mixture_reference": MixtureReference, "clip": Clip,
    "standardise_by_group": StandardiseByGroup,
}  # fmt: skip
TransformPart = Annotated[Part, OneOf(TRANSFORMS, "transform")]


# --- label transforms: change the target probability, the weight or the margin of a pair -----------------------------


class LabelOptions(PartOptions):
    """`softens`: makes answers less certain; `corrects_noise`: assumes that some are wrong; `by_votes`: reads Labels.votes."""

    softens: ClassVar[bool] = False
    by_votes: ClassVar[bool] = False
    corrects_noise: ClassVar[bool] = False


class SmoothFlip(LabelOptions):
    """p becomes (1-e) p + e (1-p) (cDPO)."""

    softens: ClassVar[bool] = True
    corrects_noise: ClassVar[bool] = True
    epsilon: Rate = Field(0.1, description="probability that an answer is flipped")


class SmoothUniform(LabelOptions):
    """p becomes (1-e) p + e/2."""

    softens: ClassVar[bool] = True
    corrects_noise: ClassVar[bool] = True
    epsilon: float = Field(0.1, ge=0, lt=1, description="share of answers given at random")


class FlipByVotes(LabelOptions):
    """Answers that the voters' mean contradicts by more than the threshold are turned round."""

    by_votes: ClassVar[bool] = True
    corrects_noise: ClassVar[bool] = True
    threshold: float = Field(0.0, ge=0)


class SoftFromVotes(LabelOptions):
    """p becomes sigmoid of the voters' mean difference."""

    by_votes: ClassVar[bool] = True
    softens: ClassVar[bool] = True
    corrects_noise: ClassVar[bool] = True


class MarginFromVotes(LabelOptions):
    """The voters' mean difference in the preferred direction becomes the margin."""

    by_votes: ClassVar[bool] = True


class Margin(LabelOptions):
    """A constant margin on top of the labels' own."""

    margin: float = Field(0.5, ge=0)


LABEL_TRANSFORMS: Mapping[str, type[PartOptions]] = {
    "smooth_flip": SmoothFlip, "smooth_uniform": SmoothUniform, "flip_by_votes": FlipByVotes,
    "soft_from_votes": SoftFromVotes, "margin_from_votes": MarginFromVotes, "margin": Margin,
}  # fmt: skip
LabelPart = Annotated[Part, OneOf(LABEL_TRANSFORMS, "label transform")]


# --- pair weights: how much one pair of a query counts ----------------------------------------------------------------


class Uniform(PartOptions):
    """Every pair counts the same."""


class LambdaNdcg(PartOptions):
    """What swapping the two would do to the discounted gain of the current order (LiPO, LambdaRank)."""

    normalise: bool = Field(False, description="divide by the ideal gain of the list")


class GradeGap(PartOptions):
    """The difference of the two grades."""


class PolicyLikelihood(PartOptions):
    """How likely the policy is to produce both (WPO)."""

    def requires(self) -> frozenset[str]:
        return frozenset({"length"})

    def shift_invariant(self) -> bool:
        return False


class Focal(PartOptions):
    """(1 - P(the answer))^gamma: what is already explained counts less."""

    gamma: float = Field(2.0, ge=0)


PAIR_WEIGHTS: Mapping[str, type[PartOptions]] = {
    "uniform": Uniform, "lambda_ndcg": LambdaNdcg, "grade_gap": GradeGap, "policy_likelihood": PolicyLikelihood, "focal": Focal,
}  # fmt: skip
WeightPart = Annotated[Part, OneOf(PAIR_WEIGHTS, "pair weight")]


# --- regularisers: terms on scores alone; each is also a loss by its own name -----------------------------------------


class Center(PartOptions):
    """(2 * mean_k s)^2: keeps scores near zero (TRL's center_rewards_coefficient)."""

    def shift_invariant(self) -> bool:
        return False


class Nll(PartOptions):
    """Negative log-likelihood of the preferred item, as the scorer gives it."""

    norm: Literal["sum", "mean"] = Field("mean", description="of the whole item, or per step")

    def requires(self) -> frozenset[str]:
        return frozenset({"nll", "length"} if self.norm == "mean" else {"nll"})


class BehaviourCloning(PartOptions):
    """-s / length: raw scores being log-probabilities, imitation of what was compared."""

    items: Literal["all", "preferred"] = "all"

    def requires(self) -> frozenset[str]:
        return frozenset({"length"})

    def shift_invariant(self) -> bool:
        return False


class Optimism(PartOptions):
    """The log-ratio of a response drawn from the reference: less of what was already seen (SELM, XPO)."""

    def requires(self) -> frozenset[str]:
        return frozenset({"resp_logratio"})


class KlReference(PartOptions):
    """e^-u - 1 + u of the log-ratio u: an estimate of KL(policy, reference)."""

    def requires(self) -> frozenset[str]:
        return frozenset({"ref_logp"})

    def shift_invariant(self) -> bool:
        return False


class Rationale(PartOptions):
    """Negative log-likelihood per step of the reason given for the answer (Rationale-DPO)."""

    def requires(self) -> frozenset[str]:
        return frozenset({"rationale_nll"})


class Contrastive(PartOptions):
    """InfoNCE between two views of every item's embedding (SimCSE; Secrets II)."""

    temperature: float = Field(0.5, gt=0)

    def requires(self) -> frozenset[str]:
        return frozenset({"embed", "embed_view"})


class LatentKl(PartOptions):
    """KL(N(mu, var), N(0, 1)) of latent users (VPL)."""

    def requires(self) -> frozenset[str]:
        return frozenset({"latent_mu", "latent_logvar"})


class StepSquare(PartOptions):
    """Mean square of what each step added."""

    def shift_invariant(self) -> bool:
        return False


class StepSmoothness(PartOptions):
    """Mean square of the change between consecutive steps."""


REGULARISERS: Mapping[str, type[PartOptions]] = {
    "center": Center, "nll": Nll, "bc": BehaviourCloning, "optimism": Optimism, "kl_ref": KlReference,
    "rationale": Rationale, "contrastive": Contrastive, "vae_kl": LatentKl, "reward_l2": StepSquare,
    "temporal_smooth": StepSmoothness,
}  # fmt: skip
