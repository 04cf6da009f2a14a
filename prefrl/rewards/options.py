"""Options of the built-in reward models and of how they are trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from prefrl.options import Options

Width = Annotated[int, Field(ge=1)]


class EnsembleOptions(Options):
    """An ensemble of MLPs of (observation, action)."""

    members: int = Field(3, ge=1)
    hidden: tuple[Width, ...] = Field((256, 256, 256), description="width of each hidden layer")
    activation: Literal["leaky_relu", "relu", "tanh", "silu"] = "leaky_relu"
    output: Literal["tanh", "linear"] = Field("tanh", description="tanh bounds each step's reward before normalisation")
    center: bool = Field(False, description="subtract the mean over recent steps; matters where episodes can end early")


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


class CropOptions(Options):
    """Random crops (SURF; Park et al. 2022, 4.2)."""

    steps: int = Field(5, ge=0, description="at most so many steps are cut from each side")
