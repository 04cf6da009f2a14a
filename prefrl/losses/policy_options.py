"""Options of the losses whose scores are log-probabilities of a policy (DPO's family, CPL); no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from prefrl.losses import parts
from prefrl.losses.options import LOGISTIC, Design, PairOptions
from prefrl.losses.part import Part


def log_ratio(beta: float, norm: Literal["sum", "mean"] = "sum") -> tuple[Part, ...]:
    """The transform of everything that has a reference policy."""
    return (Part("log_ratio", parts.LogRatio(beta=beta, norm=norm)),)


class DpoOptions(PairOptions):
    """sigmoid of beta times the difference of log-ratios; `link` and `norm` give its relatives (hinge, robust, ...)."""

    beta: float = Field(0.1, gt=0)
    norm: Literal["sum", "mean"] = Field("sum", description="of the log-ratio over steps or tokens")
    link: parts.LinkPart = LOGISTIC

    def design(self) -> Design:
        return self._design(self.link, log_ratio(self.beta, self.norm))


class CdpoOptions(DpoOptions):
    """DPO with answers flipped at a known rate, by smoothing."""

    smoothing: parts.Rate = 0.1


class RdpoOptions(DpoOptions):
    """DPO with answers flipped at a known rate, without bias."""

    link: parts.LinkPart = Part("robust", parts.Robust())


class IpoOptions(PairOptions):
    """The difference of log-ratios is regressed on 1/(2 tau)."""

    tau: float = Field(0.1, gt=0)
    norm: Literal["sum", "mean"] = Field("mean", description="mean for texts, sum for segments of one length")

    def design(self) -> Design:
        return self._design(Part("squared", parts.Squared(tau=self.tau)), log_ratio(1.0, self.norm))


class SimpoOptions(PairOptions):
    """Mean log-probability without a reference, with a margin."""

    beta: float = Field(2.0, gt=0)
    margin: float = Field(0.5, ge=0, description="gamma")

    def design(self) -> Design:
        margin = (Part("margin", parts.Margin(margin=self.margin)),) if self.margin else ()
        return self._design(LOGISTIC, (Part("average_logp", parts.AverageLogp(beta=self.beta)),), label_tf=margin)


class OrpoOptions(PairOptions):
    """Likelihood of the preferred item plus lambda times the odds ratio; no reference."""

    coefficient: float = Field(0.1, gt=0, description="lambda, of the odds-ratio term")

    def design(self) -> Design:
        reg = ((1.0, Part("nll", parts.Nll(norm="mean"))),)
        return self._design(LOGISTIC, (Part("log_odds", parts.LogOdds()),), reg=reg, coef=self.coefficient)


class SlicOptions(PairOptions):
    """Hinge on raw log-probabilities plus likelihood of the preferred item (SLiC-HF); `dpo` with link: hinge is SLiC-norm."""

    delta: float = Field(1.0, gt=0)
    nll: float = Field(0.1, ge=0, description="lambda, of the likelihood term")

    def design(self) -> Design:
        reg = ((self.nll, Part("nll", parts.Nll(norm="sum"))),) if self.nll else ()
        return self._design(Part("hinge", parts.Hinge(delta=self.delta)), reg=reg)


class BcoOptions(PairOptions):
    """Winners above zero and losers below it, each on its own."""

    beta: float = Field(0.1, gt=0)

    def design(self) -> Design:
        return self._design(Part("absolute", parts.Absolute()), log_ratio(self.beta))


class ModpoOptions(PairOptions):
    """DPO for one of several objectives, whose rewards for the others are given."""

    beta: float = Field(0.1, gt=0)
    weights: tuple[float, ...] = Field(
        (0.5, 0.5), min_length=1, description="of this objective, then of the others; sum 1"
    )

    def design(self) -> Design:
        others = Part("other_objectives", parts.OtherObjectives(weights=self.weights))
        return self._design(LOGISTIC, (*log_ratio(self.beta), others))


class SelmOptions(PairOptions):
    """DPO with optimism: less likelihood for a response drawn from the reference."""

    beta: float = Field(0.1, gt=0)
    alpha: float = Field(1e-3, ge=0)

    def design(self) -> Design:
        reg = ((self.alpha * self.beta, Part("optimism", parts.Optimism())),) if self.alpha else ()
        return self._design(LOGISTIC, log_ratio(self.beta), reg=reg)


class RationaleDpoOptions(PairOptions):
    """DPO that also learns to say why."""

    beta: float = Field(0.1, gt=0)
    gamma: float = Field(0.1, gt=0, description="of the rationale's likelihood per step")

    def design(self) -> Design:
        return self._design(LOGISTIC, log_ratio(self.beta), reg=((self.gamma, Part("rationale", parts.Rationale())),))


class InpoOptions(PairOptions):
    """One step of no-regret self-play: regression against the reference and the previous iterate."""

    eta: float = Field(7.5e-3, gt=0)
    tau: float | None = Field(None, gt=0, description="pull to the reference, at most eta; null: eta / 3")

    def design(self) -> Design:
        share = 1 / 3 if self.tau is None else self.tau / self.eta
        mixture = Part("mixture_reference", parts.MixtureReference(share=share))
        return self._design(Part("squared", parts.Squared(tau=self.eta)), (mixture,))

    @model_validator(mode="before")
    @classmethod
    def _tau_below_eta(cls, given: object) -> object:
        if isinstance(given, dict) and isinstance(tau := given.get("tau"), float | int):
            eta = given.get("eta", cls.model_fields["eta"].default)
            if isinstance(eta, float | int) and tau > eta:
                raise ValueError(
                    f"tau {tau} must not exceed eta {eta}: beyond it the previous iterate would count negative"
                )
        return given


class FdpoOptions(PairOptions):
    """DPO under another divergence than the reverse KL."""

    beta: float = Field(0.1, gt=0)
    divergence: Literal["reverse_kl", "forward_kl", "jensen_shannon", "alpha"] = "jensen_shannon"
    alpha: float = Field(0.5, gt=0, lt=1, description="of the alpha divergence alone")

    def design(self) -> Design:
        g = Part("f_divergence", parts.FDivergence(divergence=self.divergence, alpha=self.alpha))
        return self._design(LOGISTIC, (*log_ratio(1.0), g, Part("scale", parts.Scale(alpha=self.beta))))


class CplOptions(PairOptions):
    """Preferences compare advantages, and advantages are log-probabilities: a policy without a reward model."""

    alpha: float = Field(0.1, gt=0, description="rescale by 64 / H for segments of H steps")
    bias: float = Field(0.5, gt=0, le=1, description="lambda; below 1 it keeps likelihood on what was seen")

    def design(self) -> Design:
        return self._design(_biased(self.bias), (Part("scale", parts.Scale(alpha=self.alpha)),))


class CplKlOptions(PairOptions):
    """CPL against a reference policy; with one step and bias 1 this is DPO."""

    alpha: float = Field(0.2, gt=0)
    bias: float = Field(0.75, gt=0, le=1, description="lambda")

    def design(self) -> Design:
        return self._design(_biased(self.bias), log_ratio(self.alpha))


def _biased(bias: float) -> Part:
    return Part("biased", parts.Biased(bias=bias))
