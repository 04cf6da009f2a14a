"""Every hook there is, each with the smallest thing that works: read this first, then the module that it names.

Hooks that register return specs and import nothing heavy: `lazy` imports when a run builds the thing. Hooks that observe
return nothing and cannot stop a run. One hook asks a question, and None means: ask the next plugin.
"""

from collections.abc import Iterable, Sequence

from prefrl.specs import (
    AugmentationSpec,
    BonusSpec,
    ExecutorSpec,
    LabelFilterSpec,
    LearnerSpec,
    LossSpec,
    PretrainerSpec,
    ProcedureSpec,
    ReplaySamplerSpec,
    RewardModelSpec,
    RunSummary,
    RunView,
    SelectorSpec,
    SourceSpec,
    hookimpl,
    lazy,
)
from prefrl.types import Array, Evaluation, Preference, RewardFit, Segment
from prefrl_example.options import BonusOptions, ClimberOptions, HingeOptions, SourceOptions

# --- who asks and answers --------------------------------------------------------------------------------------------


@hookimpl
def prefrl_register_sources() -> Iterable[SourceSpec]:
    """Who answers which clip is better."""
    yield SourceSpec(
        name="example_calm",
        summary="prefers the clip with the smaller actions",
        build=lazy("prefrl_example.asking:Calm"),
        options=SourceOptions,
        answers=frozenset({"pair", "ranking"}),
        api=1,
    )


@hookimpl
def prefrl_register_selectors() -> Iterable[SelectorSpec]:
    """Which of the proposed questions are worth asking."""
    yield SelectorSpec(
        name="example_lively",
        summary="clips that moved most",
        build=lazy("prefrl_example.asking:Lively"),
        api=1,
    )


# --- what is made of the answers -------------------------------------------------------------------------------------


@hookimpl
def prefrl_register_reward_models() -> Iterable[RewardModelSpec]:
    """Recorded steps in, reward channels out."""
    yield RewardModelSpec(
        name="example_linear",
        summary="linear in the observation",
        build=lazy("prefrl_example.rewarding:Linear"),
        api=1,
    )


@hookimpl
def prefrl_register_losses() -> Iterable[LossSpec]:
    """Scores and answers in, what is minimised out."""
    yield LossSpec(
        name="example_hinge",
        summary="a squared hinge: the preferred clip should be a margin ahead",
        build=lazy("prefrl_example.fitting:Hinge"),
        options=HingeOptions,
        kinds=frozenset({"pair"}),
        api=1,
    )


@hookimpl
def prefrl_register_augmentations() -> Iterable[AugmentationSpec]:
    """Windows of the clips of a training batch."""
    yield AugmentationSpec(
        name="example_halves",
        summary="a random half of each clip",
        build=lazy("prefrl_example.fitting:Halves"),
        api=1,
    )


@hookimpl
def prefrl_register_label_filters() -> Iterable[LabelFilterSpec]:
    """Which answers to trust, before a fit."""
    yield LabelFilterSpec(
        name="example_sure",
        summary="ties weigh half",
        build=lazy("prefrl_example.fitting:Sure"),
        api=1,
    )


# --- who acts --------------------------------------------------------------------------------------------------------


@hookimpl
def prefrl_register_learners() -> Iterable[LearnerSpec]:
    """What trains a policy from the learned reward."""
    yield LearnerSpec(
        name="example_climber",
        summary="hill climbing of one constant action",
        build=lazy("prefrl_example.acting:Climber"),
        options=ClimberOptions,
        api=1,
    )


@hookimpl
def prefrl_register_pretrainers() -> Iterable[PretrainerSpec]:
    """What happens before the first question."""
    yield PretrainerSpec(
        name="example_random",
        summary="uniformly random actions",
        build=lazy("prefrl_example.acting:RandomActions"),
        api=1,
    )


@hookimpl
def prefrl_register_bonuses() -> Iterable[BonusSpec]:
    """Reward beside the learned one, where learned reward replaces the environment's."""
    yield BonusSpec(
        name="example_motion",
        summary="a little reward for every change of the observation, less and less of it",
        build=lazy("prefrl_example.acting:Motion"),
        options=BonusOptions,
        api=1,
    )


@hookimpl
def prefrl_register_replay_samplers() -> Iterable[ReplaySamplerSpec]:
    """Which stored steps an off-policy batch is drawn from."""
    yield ReplaySamplerSpec(
        name="example_newest",
        summary="the newer half of the buffer",
        build=lazy("prefrl_example.acting:Newest"),
        api=1,
    )


# --- in which order, and where ---------------------------------------------------------------------------------------


@hookimpl
def prefrl_register_procedures() -> Iterable[ProcedureSpec]:
    """The order of the stages."""
    yield ProcedureSpec(
        name="example_twice",
        summary="asks half of the questions before it learns, and half in the middle",
        build=lazy("prefrl_example.ordering:Twice"),
        api=1,
    )


@hookimpl
def prefrl_register_executors() -> Iterable[ExecutorSpec]:
    """Where independent runs run."""
    yield ExecutorSpec(
        name="example_in_turn",
        summary="one after the other, here",
        build=lazy("prefrl_example.ordering:InTurn"),
        api=1,
    )


# --- what is seen of a run -------------------------------------------------------------------------------------------


def _write(run: RunView, line: str) -> None:
    with (run.folder / "example.txt").open("a", encoding="utf-8") as file:
        file.write(f"step {run.step}: {line}\n")


@hookimpl
def prefrl_on_preferences(run: RunView, preferences: Sequence[Preference]) -> None:
    """A round's answers are on disk."""
    _write(run, f"{len(preferences)} answers")


@hookimpl
def prefrl_on_reward_trained(run: RunView, fit: RewardFit) -> None:
    """The reward model was fitted; the learner has not seen it yet."""
    _write(run, f"reward model {fit.version} from {fit.preferences} answers")


@hookimpl
def prefrl_on_policy_evaluated(run: RunView, evaluation: Evaluation) -> None:
    """The policy was evaluated on an untouched environment."""
    _write(run, f"evaluated on {len(evaluation.seeds)} episodes")


@hookimpl
def prefrl_on_run_ended(run: RunView, summary: RunSummary) -> None:
    """However it ended."""
    _write(run, summary.status)


@hookimpl
def prefrl_render_segment(segment: Segment, size: int, camera: str | None) -> Array | None:
    """Frames of what MuJoCo's renderer cannot draw; None leaves it to the next plugin."""
    from prefrl_example.drawing import bars

    return bars(segment, size) if segment.env_id.startswith("Example") else None
