"""Options models of the losses over scores; a pair loss says, without torch, which parts it is made of (its `Design`)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal, Self, cast

from pydantic import Field, model_validator

from prefrl.losses.part import Part
from prefrl.losses.parts import (
    Hinge,
    LabelOptions,
    LabelPart,
    LambdaNdcg,
    LinkOptions,
    LinkPart,
    Logistic,
    SmoothFlip,
    Temperature,
    Ties,
    TransformPart,
    Uniform,
    WeightPart,
)
from prefrl.options import Options

UNIFORM = Part("uniform", Uniform())
LOGISTIC = Part("logistic", Logistic())


@dataclass(frozen=True, slots=True)
class Design:
    """A pair loss as data: coef * link o transform, with regularisers as (coefficient, part) on raw scores."""

    link: Part = LOGISTIC
    transform: tuple[Part, ...] = ()
    label_tf: tuple[Part, ...] = ()
    pair_weight: Part = UNIFORM
    reg: tuple[tuple[float, Part], ...] = ()
    ties: Ties = "half"
    pair_norm: Literal["list", "pair"] = "list"
    coef: float = 1.0

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.link, *self.transform, *self.label_tf, self.pair_weight, *(part for _, part in self.reg))

    @property
    def requires(self) -> frozenset[str]:
        """Keys of `Scores.aux` that some part reads."""
        return frozenset().union(*(part.options.requires() for part in self.parts))

    @property
    def shift_invariant(self) -> bool:
        """Whether adding a constant to all raw scores of a query changes nothing."""
        return all(part.options.shift_invariant() for part in self.parts)


class PairOptions(Options):
    """What every loss over pairs has in common."""

    smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="probability that an answer is flipped: p becomes (1-e)p + e(1-p)"
    )
    label_tf: tuple[LabelPart, ...] = Field((), description="further changes of the labels, in order")
    pair_weight: WeightPart = Field(UNIFORM, description="how much one pair of a query counts")
    ties: Ties | None = Field(
        None, description="p = 1/2, weight 0, or an outcome of its own; null: what the link is made for"
    )
    pair_norm: Literal["list", "pair"] = Field("list", description="a query counts once, or once per pair")

    @abstractmethod
    def design(self) -> Design:
        """The parts of this loss."""

    def _design(
        self,
        link: Part,
        transform: tuple[Part, ...] = (),
        *,
        label_tf: tuple[Part, ...] = (),
        reg: tuple[tuple[float, Part], ...] = (),
        pair_weight: Part | None = None,
        coef: float = 1.0,
    ) -> Design:
        smooth = (Part("smooth_flip", SmoothFlip(epsilon=self.smoothing)),) if self.smoothing else ()
        ties = self.ties or cast(LinkOptions, link.options).ties
        weight = pair_weight or self.pair_weight
        return Design(link, transform, (*smooth, *label_tf, *self.label_tf), weight, reg, ties, self.pair_norm, coef)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse what would be ignored or counted twice."""
        design = self.design()
        link = cast(LinkOptions, design.link.options)
        changes = [(part.name, cast(LabelOptions, part.options)) for part in design.label_tf]
        noise = [name for name, options in changes if options.corrects_noise]
        if link.corrects_noise and noise:
            raise ValueError(
                f"link '{design.link.name}' and {' and '.join(noise)} both correct for wrong answers: keep one "
                "(set smoothing: 0 and take it out of label_tf, or use link: logistic)"
            )
        soft = [name for name, options in changes if options.softens]
        if len(soft) > 1:
            raise ValueError(
                f"{' and '.join(soft)} both correct for wrong answers: keep one (smoothing is smooth_flip)"
            )
        if design.ties == "model" and link.ties != "model":
            raise ValueError(f"link '{design.link.name}' has no outcome for ties: use link: davidson, or ties: half")
        if design.ties == "half" and link.ties == "model":
            raise ValueError(f"link '{design.link.name}' models ties as an outcome of their own: leave out ties: half")
        if design.ties == "half" and link.ties == "drop":
            raise ValueError(
                f"link '{design.link.name}' already corrects for wrong answers, and a tie counted as 1/2 would be "
                "corrected twice: use ties: drop"
            )
        return self


class BradleyTerryOptions(PairOptions):
    """P(i beats j) = sigmoid((s_i - s_j) / temperature); links other than logistic change how a difference is judged."""

    temperature: float = Field(1.0, gt=0)
    link: LinkPart = Field(LOGISTIC, description="logistic, noise_floor, davidson, rao_kupper, hinge, ...")
    transform: tuple[TransformPart, ...] = Field(
        (), description="applied to raw scores, in order, before the temperature"
    )

    def design(self) -> Design:
        return self._design(self.link, (*self.transform, *tempered(self.temperature)))


def tempered(temperature: float) -> tuple[Part, ...]:
    """The transform of a temperature; none for 1."""
    return () if temperature == 1.0 else (Part("temperature", Temperature(tau=temperature)),)


class PlackettLuceOptions(Options):
    """The probability of a whole ranking, chosen best first; ties as Breslow's approximation."""

    temperature: float = Field(1.0, gt=0)
    top_k: int | None = Field(None, ge=1, description="only the first k places count; 1: softmax over the best")
    stages: Literal["sum", "mean"] = Field("sum", description="the ranking's log-likelihood, or its mean over places")
    transform: tuple[TransformPart, ...] = Field(
        (), description="applied to raw scores, in order, before the temperature"
    )

    @property
    def transforms(self) -> tuple[Part, ...]:
        return (*self.transform, *tempered(self.temperature))


class LipoOptions(BradleyTerryOptions):
    """Bradley-Terry over all pairs of a list, each weighted by what swapping it would do to the ranking (LiPO-lambda)."""

    pair_weight: WeightPart = Part("lambda_ndcg", LambdaNdcg())


class BinaryOptions(Options):
    """Cross-entropy of thumbs, success flags or P[Love] against sigmoid(s)."""

    pos_weight: float = Field(1.0, gt=0, description="how much more a positive counts, where they are rare")
    balance: bool = Field(False, description="positives together count as much as negatives together, in each batch")
    transform: tuple[TransformPart, ...] = ()

    @model_validator(mode="after")
    def _one_correction(self) -> Self:
        if self.balance and self.pos_weight != 1.0:
            raise ValueError("balance already weighs positives against negatives: leave out pos_weight")
        return self


class KtoOptions(Options):
    """Binary answers valued around a reference point, losses and gains apart (Kahneman-Tversky)."""

    beta: float = Field(0.1, gt=0)
    desirable: float = Field(
        1.0, gt=0, description="weight of good ones; keep desirable * n_good / (undesirable * n_bad) in [1, 4/3]"
    )
    undesirable: float = Field(1.0, gt=0)


class RegressionOptions(Options):
    """Huber loss of the score against a grade."""

    delta: float = Field(1.0, gt=0)


class OrdinalOptions(Options):
    """P(grade >= c) = sigmoid(s - b_c) with learned, sorted thresholds."""

    levels: int = Field(5, ge=2)
    lowest: int = Field(0, description="the lowest grade; grades are whole numbers from it")


class TripletOptions(Options):
    """Which of two is more like a third: a link on negative squared distances of embeddings."""

    link: LinkPart = Part("hinge", Hinge(delta=0.05))

    @model_validator(mode="after")
    def _two_outcomes(self) -> Self:
        if cast(LinkOptions, self.link.options).ties == "model":
            raise ValueError(
                f"link '{self.link.name}' has an outcome for ties, and triplets have none: use hinge or logistic"
            )
        return self


class CostSignOptions(Options):
    """Scores are costs turned round: above zero is safe, and the preferred one is safer."""


class PreferenceMatrixOptions(Options):
    """A model of P(i beats j) itself, which may be intransitive."""

    smoothing: float = Field(0.0, ge=0, lt=0.5, description="probability that an answer is flipped")


class DecidingFactorOptions(Options):
    """The factor that an answer names is the one that adds most to the preferred clip's lead."""

    temperature: float = Field(1.0, gt=0, description="of the softmax over what the factors add")


class DecidingWindowOptions(Options):
    """The steps that an answer names explain it by themselves."""

    temperature: float = Field(1.0, gt=0)
