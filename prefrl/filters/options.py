"""What can be set of the label filters."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from prefrl.options import Options


class RimeOptions(Options):
    """RIME (Cheng et al. 2024, arXiv 2402.17257): which answers to trust and which to turn round, anew at each look."""

    alpha: float = Field(0.5, ge=0, description="how much the cost of trusted answers lifts the threshold of trust")
    beta: float = Field(3.0, ge=0, description="weight of their variance in it, at first")
    beta_min: float = Field(1.0, ge=0, description="and in the end")
    looks: int = Field(60, ge=1, description="after how many looks beta has come down to beta_min")
    flip: float = Field(
        0.001,
        ge=0,
        lt=0.5,
        description="an answer that the model finds less probable than this is turned round; 0: none",
    )

    @model_validator(mode="after")
    def _falling(self) -> Self:
        if self.beta_min > self.beta:
            raise ValueError(f"beta_min {self.beta_min} is above beta {self.beta}, and beta only falls")
        return self


class VotesOptions(Options):
    """Votes on each answer by models fitted without it (Secrets II: Wang et al. 2024, arXiv 2401.06080, section 2)."""

    folds: int = Field(
        5, ge=2, description="as many models are fitted per member, each without one fold of the answers"
    )


class ReliabilityOptions(Options):
    """How often each source and annotator is wrong, learned together with the reward (Raykar et al. 2010)."""

    folds: int = Field(
        5, ge=2, description="what the reward says of a question comes from models fitted without its fold"
    )
    passes: int = Field(
        2, ge=1, description="times these are fitted: to all answers alike, then to what the last ones made probable"
    )
    error: float = Field(0.2, gt=0, lt=0.5, description="what is expected of somebody who has not answered yet")
    strength: float = Field(4.0, ge=0, description="how many answers that expectation counts for")
