"""Options of the built-in reward models and of how they are trained."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from prefrl.options import Options

Width = Annotated[int, Field(ge=1)]


class EnsembleOptions(Options):
    """An ensemble of MLPs of (observation, action)."""

    members: int = Field(3, ge=1)
    hidden: tuple[Width, ...] = Field((256, 256, 256), description="width of each hidden layer")
    activation: Literal["leaky_relu", "relu", "tanh", "silu"] = "leaky_relu"
    output: Literal["tanh", "linear"] = Field("tanh", description="tanh bounds each step's reward before normalisation")
    center: bool = Field(False, description="subtract the mean over recent steps; matters where episodes can end early")


class FactorsOptions(EnsembleOptions):
    """What each of a few factors is worth, and a rest; members, hidden, activation and output describe the rest."""

    factors: tuple[str, ...] = Field(
        (), description="factors of the task that the reward may be made of; none named: all that are not privileged"
    )
    privileged: bool = Field(
        False,
        description="lets factors be chosen that are terms of the designed reward or give one away; reports say so",
    )
    shape: tuple[Width, ...] = Field(
        (),
        description="width of each hidden layer of a factor's curve; none: a straight line, which few answers determine",
    )
    residual: float = Field(
        0.02, ge=0, description="what observation and action by themselves may add to a step; 0: nothing"
    )

    @field_validator("factors")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name in dict.fromkeys(value) if value.count(name) > 1]
        if twice:
            raise ValueError(f"'{twice[0]}' is named twice; name each factor once")
        return value


class UsersOptions(Options):
    """A reward for each user (VPL); add the term `vae_kl` to the loss."""

    latent: int = Field(4, ge=1, description="numbers that make up a user")
    hidden: tuple[Width, ...] = Field((128, 128), description="width of each hidden layer of the reward")
    encoder: tuple[Width, ...] = Field((64,), description="width of each hidden layer of what finds a user")
    activation: Literal["leaky_relu", "relu", "tanh", "silu"] = "silu"
    context: int = Field(
        8,
        ge=1,
        description="a user is found from at most so many of his answers in each step of the fit, often from fewer",
    )


class DynamicsOptions(EnsembleOptions):
    """An ensemble on encoders that predict what a step leads to (REED)."""

    state: int = Field(20, ge=1, description="numbers that a state is embedded in")
    action: int = Field(10, ge=1, description="numbers that an action is embedded in")
    objective: Literal["distillation", "contrastive"] = Field(
        "distillation", description="tell the next state's embedding by its direction, or among those of a batch"
    )
    temperature: float = Field(0.5, gt=0, description="of the contrastive objective")
    updates: int = Field(200, ge=0, description="gradient steps of each encoder before each fit")
    batch_size: int = Field(256, ge=2)
    learning_rate: float = Field(1e-3, gt=0, description="of the encoders; that of a fit is reward.fit's")


class TransformerOptions(Options):
    """A transformer of whole clips (Preference Transformer)."""

    members: int = Field(1, ge=1)
    width: int = Field(64, ge=2, description="of the embeddings")
    layers: int = Field(1, ge=1)
    heads: int = Field(4, ge=1)
    context: int = Field(25, ge=1, description="steps up to one that decide its reward when it is relabelled")
    weighted_sum: bool = Field(True, description="attention over the steps of a clip; false: all count alike")
    causal: bool = Field(True, description="a step's reward depends on what came before alone")
    time: bool = Field(True, description="it is told the place of each step in the clip")

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width {self.width} must be even and a multiple of heads, {self.heads}")
        return self


class PolicyOptions(Options):
    """The policy in training itself, scored by its log-probabilities (CPL, DPO and their relatives, imitation)."""

    log_prob: Literal["density", "distance"] = Field(
        "distance",
        description="minus the squared distance of an action to the policy's own, as of a Gaussian of fixed width; or the "
        "log-density of the policy's distribution, whose width then learns too",
    )


class PairwiseOptions(Options):
    """A preference model of two clips, which need not be explained by scores."""

    hidden: tuple[Width, ...] = Field((64, 64), min_length=1, description="width of each hidden layer")
    planes: int = Field(4, ge=1, description="independent circles that preferences may go round")


class EntropyOptions(Options):
    """State entropy by the distance to the k-th neighbour."""

    neighbours: int = Field(5, ge=1)
    reference: int = Field(5_000, ge=2, description="states compared against, drawn from all seen")


class ShortenOptions(Options):
    """Random crops of a given length (QPA; Hu et al. 2024, 4.3)."""

    shortest: int = Field(35, ge=1)
    longest: int = Field(45, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.shortest > self.longest:
            raise ValueError(f"shortest {self.shortest} is above longest {self.longest}")
        return self


class DisagreementOptions(Options):
    """What the members of an ensemble do not agree on is worth a visit (RUNE)."""

    beta: float = Field(0.05, ge=0, description="weight of their standard deviation, at first")
    decay: float = Field(1e-5, ge=0, lt=1, description="share of the weight that is lost with every environment step")


class CropOptions(Options):
    """Random crops (SURF; Park et al. 2022, 4.2)."""

    steps: int = Field(5, ge=0, description="at most so many steps are cut from each side")
