"""ICPL: a language model writes reward programs, policies learn from them, anyone ranks what came of it.

options      what can be set
procedure    the rounds: programs, policies, a ranking, and what is told of it; read top to bottom
proposals    replies until each candidate has a program that runs
environment  a task -> the text a model gets to know of it, none of which stems from the reward
prompts      messages, and the program of a reply
chat         access to a language model
training     programs -> policies, as runs of their own
standings    a round's answer -> best and worst, and what is written of it
running      a program in its box, fed from recorded steps
program      one program as the reward
basis        a weighted sum of programs, fitted to answers
traces       how components of a reward went during training
programs     the programs of a run, the best first
source       programs that answer questions
"""

from collections.abc import Iterable

from prefrl.specs import Needs, ProcedureSpec, RewardModelSpec, SourceSpec, hookimpl, lazy
from prefrl_icpl.options import BasisOptions, ConfinedOptions, IcplOptions, ProgramOptions, ProgramsOptions


def _factors(options: ConfinedOptions) -> Needs:
    return frozenset({"factors", "privileged_factors"} if options.privileged else {"factors"})


@hookimpl
def prefrl_register_procedures() -> Iterable[ProcedureSpec]:
    """Offer the rounds."""
    yield ProcedureSpec(
        name="icpl",
        api=1,
        summary="a language model writes rewards, policies learn from them, their clips are ranked, and again",
        options=IcplOptions,
        build=lazy("prefrl_icpl.procedure:Icpl"),
    )


@hookimpl
def prefrl_register_sources() -> Iterable[SourceSpec]:
    """Offer programs as a source of answers."""
    yield SourceSpec(
        name="icpl",
        api=1,
        summary="reward programs of an ICPL run say which clip is better",
        options=ProgramsOptions,
        build=lazy("prefrl_icpl.source:Programs"),
        needs=_factors,
        answers=frozenset({"pair", "ranking"}),
    )


@hookimpl
def prefrl_register_reward_models() -> Iterable[RewardModelSpec]:
    """Offer one program, and a weighted sum of several."""
    yield RewardModelSpec(
        name="icpl_program",
        api=1,
        summary="a reward program, confined; no answers asked",
        options=ProgramOptions,
        build=lazy("prefrl_icpl.program:ProgramReward"),
        needs=_factors,
        trained=False,
    )
    yield RewardModelSpec(
        name="icpl_basis",
        api=1,
        summary="a weighted sum of an ICPL run's programs: a handful of answers fits the weights",
        options=BasisOptions,
        build=lazy("prefrl_icpl.basis:Basis"),
        needs=_factors,
    )
