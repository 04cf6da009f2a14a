"""What can be set of the hierarchy and of the weighted sum; both rank factors in the same words."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from prefrl.options import Options

Direction = Literal["more", "less"]
DEFAULT_MARGIN = 0.5  # standard deviations; the largest share of HERON's own settings lies between 0.1 and 1


def _level(value: Any) -> Any:
    """`speed` and `[speed, height]` are short for `{speed: more}` and `{speed: more, height: more}`."""
    if isinstance(value, str):
        return {value: "more"}
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return dict.fromkeys(value, "more")
    return value


Level = Annotated[
    dict[str, Direction],
    BeforeValidator(_level, json_schema_input_type=str | list[str] | dict[str, Direction]),
    Field(min_length=1),
]
Margin = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class RankingOptions(Options):
    """Which factors matter, the most important first, and which way."""

    ranking: tuple[Level, ...] = Field(
        min_length=1,
        description="levels, the most important first: `speed` (more is better), `{energy: less}`, or several factors of "
        "equal importance, `{speed: more, energy: less}`, whose standardised values are summed",
    )
    privileged: bool = Field(
        False,
        description="lets factors be ranked that are terms of the designed reward or give one away; reports say so",
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        """A factor on two levels contradicts itself: the lower one never decides, or says the opposite of the upper."""
        seen: dict[str, tuple[int, Direction]] = {}
        for number, level in enumerate(self.ranking, start=1):
            for name, direction in level.items():
                if name in seen:
                    above, other = seen[name]
                    how = "the other way round" if other != direction else "again"
                    raise ValueError(
                        f"the ranking contradicts itself: '{name}' stands on level {above} and {how} on level {number}; "
                        f"keep it on one"
                    )
                seen[name] = number, direction
        return self


class HeronOptions(RankingOptions):
    """HERON (Bukharin et al. 2023, arXiv 2309.02632) as a source of answers."""

    margin: Margin | tuple[Margin, ...] | None = Field(
        None,
        description="by how many standard deviations over recorded clips two clips must differ for a level to decide, for all "
        f"levels or one per level; 0 is strict order; null: {DEFAULT_MARGIN}, or what `share` asks for",
    )
    share: Share | tuple[Share, ...] | None = Field(
        None, description="instead of margins: the share of pairs a level decides of those that reach it"
    )
    aggregate: Literal["mean", "sum"] = Field(
        "mean", description="of a factor over a clip's steps; they differ where clips are cut short"
    )
    undecided: Literal["skip", "pass"] = Field(
        "skip",
        description="a question no level decides is skipped, which counts as asked, or passed to the next source",
    )
    clips: int = Field(1000, ge=2, description="drawn from what is recorded, each round, to measure spreads on")

    @model_validator(mode="after")
    def _one_per_level(self) -> Self:
        if self.margin is not None and self.share is not None:
            raise ValueError("margin and share both say when a level decides; give one of them")
        for name in ("margin", "share"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != len(self.ranking):
                raise ValueError(
                    f"{name} has {len(value)} values for {len(self.ranking)} levels; give one, or one per level"
                )
        return self

    def per_level(self, value: float | tuple[float, ...]) -> tuple[float, ...]:
        """One value per level."""
        return value if isinstance(value, tuple) else (value,) * len(self.ranking)


class SumOptions(RankingOptions):
    """HERON's baseline: reward = sum over levels l = 0, 1, ... of alpha^l * standardised factor."""

    alpha: float = Field(0.5, gt=0, le=1, description="how much less each level weighs than the one above it")
    steps: int = Field(2000, ge=2, description="of uniformly random actions, on which factors are standardised once")
