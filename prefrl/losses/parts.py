"""Names and settings of the five kinds of parts a pair loss is made of; YAML in, frozen records out, no torch.

L = reduce_w[ sum_(i,j) weight_ij * link(T(s)_i, T(s)_j; label_tf(p), m) ] + sum_r coef_r * reg_r

In YAML a part is its name, ``davidson``; its name and main option, ``{noise_floor: 0.1}``; or its name and options,
``{davidson: {nu: 2.0, learn: true}}``. The main option is the first field of its model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from prefrl.errors import choices
from prefrl.options import Options

Ties = Literal["half", "drop", "model"]
Rate = Annotated[float, Field(ge=0, lt=0.5)]


class PartOptions(Options):
    """Settings of one part."""

    def requires(self) -> frozenset[str]:
        """Keys of `Scores.aux` it reads under these settings."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class Part:
    """A part by name, with its settings."""

    name: str
    options: PartOptions


@dataclass(frozen=True)
class OneOf:
    """Pydantic annotation: a `Part` whose name is a key of `table`."""

    table: Mapping[str, type[PartOptions]]
    what: str

    def parse(self, value: Any) -> Part:
        if isinstance(value, Part):
            return value
        name: Any = value
        settings: Any = None
        if isinstance(value, Mapping):
            if len(value) != 1:
                raise ValueError(f"a {self.what} is a name or one {{name: options}}, not {len(value)} keys")
            name, settings = next(iter(value.items()))
        if not isinstance(name, str) or name not in self.table:
            raise ValueError(f"there is no {self.what} {name!r}. {choices(str(name), self.table)}")
        model = self.table[name]
        if settings is not None and not isinstance(settings, Mapping):
            if not model.model_fields:
                raise ValueError(f"{self.what} {name!r} has no options; write just its name")
            settings = {next(iter(model.model_fields)): settings}
        return Part(name, model.model_validate(dict(settings or {})))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.parse, serialization=core_schema.plain_serializer_function_ser_schema(_plain)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        one = {
            "type": "object",
            "properties": {n: {} for n in self.table},
            "additionalProperties": False,
            "maxProperties": 1,
        }
        return {"anyOf": [{"enum": list(self.table)}, one]}


def _plain(part: Part) -> Any:
    settings = part.options.model_dump()
    return {part.name: settings} if settings else part.name


# --- links: how two scores become the loss of "i beats j" ------------------------------------------------------------


class LinkOptions(PartOptions):
    """`ties`: what a link does with ties unless told; `corrects_noise`: it models wrong answers itself."""

    ties: ClassVar[Ties] = "half"
    corrects_noise: ClassVar[bool] = False

    def shift_invariant(self) -> bool:
        """Whether adding a constant to all scores of a query changes nothing."""
        return True


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


TRANSFORMS: dict[str, type[PartOptions]] = {"temperature": Temperature, "scale": Scale}
TransformPart = Annotated[Part, OneOf(TRANSFORMS, "transform")]


# --- label transforms: change the target probability, the weight or the margin of a pair -----------------------------


class LabelOptions(PartOptions):
    """`softens`: assumes some answers are wrong."""

    softens: ClassVar[bool] = False


class SmoothFlip(LabelOptions):
    """p becomes (1-e) p + e (1-p) (cDPO)."""

    softens: ClassVar[bool] = True
    epsilon: Rate = Field(0.1, description="probability that an answer is flipped")


class SmoothUniform(LabelOptions):
    """p becomes (1-e) p + e/2."""

    softens: ClassVar[bool] = True
    epsilon: float = Field(0.1, ge=0, lt=1, description="share of answers given at random")


class Margin(LabelOptions):
    """A constant margin on top of the labels' own."""

    margin: float = Field(0.5, ge=0)


LABEL_TRANSFORMS: dict[str, type[PartOptions]] = {
    "smooth_flip": SmoothFlip,
    "smooth_uniform": SmoothUniform,
    "margin": Margin,
}
LabelPart = Annotated[Part, OneOf(LABEL_TRANSFORMS, "label transform")]


# --- pair weights: how much one pair of a query counts ----------------------------------------------------------------


class Uniform(PartOptions):
    """Every pair counts the same."""


PAIR_WEIGHTS: dict[str, type[PartOptions]] = {"uniform": Uniform}
WeightPart = Annotated[Part, OneOf(PAIR_WEIGHTS, "pair weight")]


# --- regularisers: terms on scores alone; each is also a loss by its own name -----------------------------------------


class Center(PartOptions):
    """(2 * mean_k s)^2: keeps scores near zero (TRL's center_rewards_coefficient)."""


REGULARISERS: dict[str, type[PartOptions]] = {"center": Center}
