"""The rules by which a person's answers are trusted or not, written into the configuration before anybody answers."""

from __future__ import annotations

from pydantic import Field

from prefrl.options import Options


class ExcludeOptions(Options):
    """Whom to suspect. Suspicion is computed anew from all answers so far, so that it can also end."""

    apply: bool = Field(False, description="learn nothing from suspected people; false: the report only names them")
    min_checks: int = Field(12, ge=1, description="hidden checks that a person answered before checks can tell")
    error: float = Field(0.1, gt=0, lt=0.5, description="how often a good person errs where the winner is known")
    alpha: float = Field(0.03, gt=0, lt=0.5, description="chance that the checks make a good person suspected, at most")
    position_alpha: float = Field(
        0.005, gt=0, lt=0.5, description="the same of preferring what stands first, whatever it is"
    )
    min_seconds: float = Field(0.7, ge=0, description="who answers faster has not looked")
    fast: float = Field(0.5, gt=0, le=1, description="share of answers faster than that which makes a person suspected")
