"""What can be set of a session in which people answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from prefrl.options import Options
from prefrl_human.exclusion_options import ExcludeOptions

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]


class CheckOptions(Options):
    """Questions whose answers are known or were given before, to see how far a person's answers can be trusted."""

    rate: float = Field(0.1, ge=0, le=0.5, description="share of the questions served to each person; 0: none")
    after: int = Field(5, ge=1, description="answers of a person before the first check")
    known: str | None = Field(
        None,
        description="source or person whose answers to this data set's pairs are taken as known; null: no known winners",
    )


class HumanOptions(Options):
    """Where the page is served, to whom, and how clips are shown."""

    host: str = Field("127.0.0.1", description="address to listen on; any but a loopback address needs personal links")
    port: int = Field(8700, ge=0, le=65535, description="0: any free one")
    hosts: tuple[str, ...] = Field((), description="further names under which people reach the page")
    browser: bool = Field(True, description="open the page in a browser where there is a screen")
    people: tuple[Name, ...] = Field(
        (), description="who answers, each by a link of their own; empty: one person, unnamed"
    )
    per_question: int = Field(1, ge=1, description="people who answer each question")
    lease: float = Field(300, ge=5, description="seconds for which a question is kept for the person it was shown to")
    instructions: str = Field("", max_length=4000, description="what to look at, shown before the first question")
    ask: Literal["rank", "best"] = Field("rank", description="of more than two clips: an order, or only the best one")
    watch: float = Field(
        0.5, ge=0, le=10, description="share of a clip that must have been shown before an answer counts"
    )
    cameras: tuple[str, ...] = Field((), max_length=3, description="further cameras a person may switch to")
    overlay: tuple[str, ...] = Field((), max_length=6, description="factors shown on the clips")
    privileged: bool = Field(False, description="lets privileged factors be shown; reports say so")
    checks: CheckOptions = CheckOptions()
    exclude: ExcludeOptions = ExcludeOptions()
