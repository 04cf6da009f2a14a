"""What can be set of the oracle: one knob per weakness, each off by default, in the order in which they act."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from prefrl.options import Options


class OracleOptions(Options):
    """B-Pref's teachers (Lee et al. 2021, arXiv 2111.03026, section 3) as knobs that can be combined."""

    skip: float = Field(
        0.0,
        ge=0,
        description="skips a question whose best clip does not reach this share of the usual return, which is what the last "
        "ten episodes collected in as many steps (where that is negative: usual - (1 - skip) * |usual|)",
    )
    equal: float = Field(
        0.0,
        ge=0,
        description="calls clips equal whose returns differ by less than this share of the usual return's size",
    )
    discount: float = Field(
        1.0,
        gt=0,
        le=1,
        description="below 1 the teacher is myopic: a clip's last step weighs 1, the one before `discount`, the one before "
        "that its square",
    )
    error: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="share of random pairs of clips that it gets wrong, near ties more often than clear cases: `beta` is "
        "solved for on what the run has recorded, so the number means the same in every environment",
    )
    beta: float | None = Field(
        None,
        gt=0,
        description="P(a beats b) = sigmoid(beta * (return of a - return of b)), in the reward's own units (the cost's, for "
        "questions about a cost): 1/beta is the difference that it gets right 73% of the time; null: `error` decides",
    )
    mistake: float = Field(
        0.0,
        ge=0,
        le=1,
        description="probability of turning an answer round, however clear the case; never one that says equal",
    )

    @model_validator(mode="after")
    def _one_rationality(self) -> Self:
        if self.error and self.beta is not None:
            raise ValueError("error and beta both say how rational the oracle is; give one of them")
        return self

    @property
    def watches(self) -> bool:
        """Whether it must know what the run has recorded."""
        return bool(self.skip or self.equal or self.error)


class RegretOptions(Options):
    """A teacher who knows how to act: it prefers the clip that departs less from a good policy (Knox et al. 2022)."""

    policy: str = Field(description="run folder or own SB3 file of a SAC or TD3 policy, trained on the true reward")
    samples: int = Field(64, ge=1, description="actions of the policy whose mean value is the value of a state")
    beta: float | None = Field(
        None,
        gt=0,
        description="P(a beats b) = sigmoid(beta * (regret of b - regret of a)), in the units of the critic; null: never errs",
    )


class CorrectorOptions(Options):
    """A teacher who also shows how: for the worse clip a better one from where it began."""

    policy: str = Field(description="run folder or own SB3 file of the policy that shows how")
    share: float = Field(
        1.0, gt=0, le=1, description="of the questions after which it corrects the worst clip; each counts as an answer"
    )


class AttackerOptions(Options):
    """Somebody who wants the wrong thing learned: answers by the true return, some turned round on purpose."""

    rate: float = Field(0.2, gt=0, le=1, description="share of the answers turned round")
    aim: Literal["random", "clearest"] = Field(
        "random",
        description="which: any, or of those asked together the ones whose clips differ most, where a wrong answer harms most",
    )
    promote: dict[str, Literal["more", "less"]] = Field(
        {},
        max_length=1,
        description="one factor, `{energy: more}`: instead of `aim`, those where the truth is against it, the clearest first",
    )


class UserOptions(Options):
    """What one user wants, told to nobody: the mean over a clip's steps of what is liked, minus the distance from a place."""

    likes: dict[str, float] = Field({}, description="factor -> worth of one unit of it")
    reaches: dict[int, float] = Field(
        {}, description="observation entry -> value it should have; together they are a place"
    )

    @model_validator(mode="after")
    def _wants_something(self) -> Self:
        if not self.likes and not self.reaches:
            raise ValueError("a user wants something: give likes or reaches")
        return self


class UsersOptions(Options):
    """Several users with goals of their own; each question is answered by one of them, who is its group and annotator."""

    users: dict[str, UserOptions] = Field(min_length=1, description="name -> what the user wants")
    mistake: float = Field(0.0, ge=0, lt=0.5, description="probability of turning an answer round")


class ThumbsOptions(Options):
    """Reactions to single clips as in a running product: few, and some meant badly (Han et al. 2025, RLUF)."""

    rate: float = Field(0.2, gt=0, le=1, description="share of clips that anybody reacts to")
    share: float = Field(0.5, gt=0, lt=1, description="of the recorded clips that are worth a thumb up, the best ones")
    adversarial: float = Field(0.0, ge=0, le=1, description="share of reactions that are the opposite of what is meant")
    silence: Literal["nothing", "down"] = Field(
        "nothing", description="what no reaction means: the clip is left to other sources, or it counts as a thumb down"
    )
