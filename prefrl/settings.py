"""The sections of a run's YAML as frozen models; defaults live here and in plugins' options models, nowhere else.

A `Chosen` section names something that is registered with the host; what is not a key of the section belongs to the
named thing and is parsed by its own options model into `options`. A field marked `Choice` holds a tuple of such names with
their options. `prefrl.config` reads both from YAML and writes them back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializeAsAny, field_validator

from prefrl.errors import choices, shown
from prefrl.options import NoOptions, Options


class Chosen(Options):
    """A section that names a registered thing: `registry` says of which kind, `key` which field holds the name."""

    registry: ClassVar[str]
    key: ClassVar[str] = "name"
    options: SerializeAsAny[Options] = NoOptions()


@dataclass(frozen=True, slots=True)
class Choice:
    """Marks a field of `NamedOptions` with the kind of registered thing its names are looked up among."""

    registry: str


class NamedOptions(Options):
    """One registered thing and its options. In YAML a name, ``{name: .., **options}``, ``{<name>: options}``, or a list."""

    name: str
    coef: float = Field(1.0, description="its weight in a sum, where several are summed")
    options: SerializeAsAny[Options] = NoOptions()


class EnvSettings(Options):
    """The task and how many copies of it are stepped together."""

    id: str = Field(description="any Gymnasium id, or 'module:Id-v0' to import its module first")
    n_envs: int = Field(8, ge=1)
    termination: Literal["keep", "absorb", "off"] = Field(
        "keep", description="what a terminal state does to an episode"
    )
    backend: Literal["gym", "threads", "warp"] = Field("gym", description="who steps the copies")
    kwargs: dict[str, Any] = Field({}, description="arguments of the environment's constructor")
    user: int = Field(
        0,
        ge=0,
        description="numbers at the end of each observation that say whom the policy serves, drawn at each reset; with "
        "reward.model: users and as many as its latent has",
    )


class AlgoSettings(Chosen):
    """The learner; keys are rl-zoo3's and SB3's, never evaluated."""

    registry: ClassVar[str] = "learners"
    name: str = "ppo"
    n_timesteps: int = Field(100_000, ge=1)
    normalize: bool = Field(True, description="running mean and std of observations (never of rewards)")
    replay: Annotated[tuple[NamedOptions, ...], Choice("replay_samplers")] = Field(
        (), max_length=1, description="which transitions an off-policy learner draws; none: all alike"
    )


class ProcedureSettings(Chosen):
    """The order of the stages."""

    registry: ClassVar[str] = "procedures"
    name: str = "online"


class PretrainSettings(Chosen):
    """What happens before the first question; its steps count as the run's."""

    registry: ClassVar[str] = "pretrainers"
    name: str = "random"
    steps: int = Field(8_000, ge=0)


class FeedbackSettings(Options):
    """How many answers, when, and about what."""

    total: int = Field(200, ge=0, description="answers in the whole run; skips count")
    rounds: int = Field(20, ge=1, description="spread evenly from the end of pretraining over the whole run")
    schedule: Literal["constant", "hyperbolic", "inverse_quadratic", "decaying", "growing"] = Field(
        "constant", description="share of each round; all but constant and growing ask more at first"
    )
    initial: float = Field(0.0, ge=0, lt=1, description="share asked in the first round, before the schedule sets in")
    segment: int = Field(50, ge=1, description="steps per clip")
    items: int = Field(2, ge=1, description="clips per query: 2 pairs, more rankings")


class QueriesSettings(Chosen):
    """Which questions are worth asking."""

    registry: ClassVar[str] = "selectors"
    key: ClassVar[str] = "selector"
    selector: str = "disagreement"
    candidates: int = Field(10, ge=1, description="proposals drawn per query kept")
    window: int | None = Field(20_000, ge=1, description="clips come from the last so many steps; null: from all")


class SourceSettings(Chosen):
    """One source of answers; its key in the YAML is the instance's name."""

    registry: ClassVar[str] = "sources"
    key: ClassVar[str] = "use"
    use: str = Field("", description="the kind of source; the instance's key by default")
    weight: float = Field(1.0, ge=0, description="of its answers in the loss")
    budget: int | None = Field(None, ge=0, description="answers it may be asked for; null: no limit of its own")
    order: int = Field(0, description="lower is asked first; what it leaves undecided goes to the next")
    overlap: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the questions that sources before it decided which it answers as well, so that agreement tells "
        "whom to trust (filters: [reliability])",
    )
    wait: Literal["all", "some", "none"] = Field("all", description="how a round waits for a source that answers later")
    hindsight: int = Field(
        0,
        ge=0,
        description="steps by which each clip goes on, simulated under the policy that learns, before it is judged",
    )


class FitSettings(Options):
    """One update of the reward model."""

    epochs: int = Field(100, ge=1, description="at most so many passes over the answers")
    updates: int | None = Field(
        None, ge=1, description="at most so many gradient steps per member; null: epochs decide"
    )
    batch_size: int = Field(64, ge=1)
    steps: int | None = Field(
        None,
        ge=1,
        description="steps drawn from each clip per gradient step, their sum scaled to the clip's length; null: all",
    )
    learning_rate: float = Field(3e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    stop_accuracy: float | None = Field(
        0.98, ge=0, le=1, description="stop when the training accuracy reaches it; null: do not stop on it"
    )
    validation: float = Field(0.1, ge=0, lt=1, description="share of answers held out of every fit, chosen by hash")
    patience: int | None = Field(
        None, ge=1, description="epochs without a better held-out loss; null: do not stop on it"
    )
    refilter: int | None = Field(
        None, ge=1, description="label filters look again every so many epochs of a fit; null: once, before it"
    )
    reset: bool = Field(False, description="fit from fresh weights each time instead of from the last fit")
    max_grad_norm: float | None = Field(None, gt=0)


class UnlabelledSettings(Options):
    """Pairs that nobody judged, labelled by the model itself where it is sure (SURF)."""

    pairs: int = Field(500, ge=1, description="drawn anew from the pool before each fit")
    threshold: float = Field(0.99, gt=0.5, description="probability from which on a member counts as sure")
    weight: float = Field(1.0, ge=0, description="of their loss beside that of the answers")
    batches: int = Field(4, ge=1, description="pairs per answer in a gradient step")


class RewardSettings(Chosen):
    """What the learner sees as reward."""

    registry: ClassVar[str] = "reward_models"
    key: ClassVar[str] = "model"
    model: str = "ensemble"
    loss: Annotated[tuple[NamedOptions, ...], Choice("losses")] = Field(
        (NamedOptions(name="bradley_terry"),),
        min_length=1,
        description="one loss, or a list whose weighted sum is used",
    )
    augment: Annotated[tuple[NamedOptions, ...], Choice("augmentations")] = Field(
        (), description="augmentation name -> its options, or its main (first) option alone"
    )
    filters: Annotated[tuple[NamedOptions, ...], Choice("label_filters")] = Field(
        (), description="label filters in order"
    )
    unlabelled: UnlabelledSettings | None = Field(None, description="learn from pairs that nobody judged, too")
    fit: FitSettings = FitSettings()


class RelabelSettings(Options):
    """How channels become the scalar the learner sees."""

    bonus: Annotated[tuple[NamedOptions, ...], Choice("bonuses")] = Field((), description="exploration bonuses, summed")
    combine: Literal["mean"] = Field("mean", description="of the ensemble's members")
    scale: bool = Field(True, description="divide by the running std of the discounted return, in every arm alike")
    kl: float = Field(0.0, ge=0, description="cost per step of departing from the initial policy: times log(pi / pi_0)")


class EvaluateSettings(Options):
    """Deterministic episodes on an untouched environment, seeds 10000 + i."""

    every: int = Field(20_000, ge=1, description="steps between evaluations")
    episodes: int = Field(10, ge=1)
    final_episodes: int = Field(20, ge=1)


class RenderSettings(Options):
    """Clips; pixels are square."""

    size: int = Field(256, ge=16, le=2048)
    camera: str | None = None


class StoreSettings(Options):
    """Where answers live."""

    url: str | None = Field(None, description="SQLAlchemy URL; null: one SQLite file under runs/")
    data_set: str | None = Field(None, description="null: named after the run")


class CheckpointSettings(Options):
    """How often the whole state is written, and how many are kept."""

    every: int = Field(20_000, ge=1)
    keep: int = Field(2, ge=1)


DEVICES = ("auto", "cpu", "cuda", "cuda:0")  # and higher numbers


class RunIdentity(Options):
    """Name, seed, device and threads; whether the machine has the device, `prefrl.devices` says."""

    name: str = Field("run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(0, ge=0, lt=2**32, description="as far as NumPy's global generator, which SB3 seeds, goes")
    device: str = Field(
        "auto",
        description="auto, cpu, cuda or cuda:<number>; auto: reward models on a GPU if there is one, policies on the CPU",
    )
    threads: int = Field(
        1, ge=1, le=256, description="CPU threads of the reward model (fits, queries, relabelling); policies use one"
    )

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", value):
            return value
        meant = "cuda" if value.lower() in {"gpu", "nvidia"} else value.lower()
        raise ValueError(f"no device is called '{shown(value)}'. {choices(meant, DEVICES)}")


class RunSettings(Options):
    """A whole run. These keys are closed."""

    plugins: tuple[str, ...] = ()
    env: EnvSettings
    algo: AlgoSettings
    procedure: ProcedureSettings = ProcedureSettings()
    pretrain: PretrainSettings | None = PretrainSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    queries: QueriesSettings = QueriesSettings()
    sources: dict[str, SourceSettings] = {}
    reward: RewardSettings = RewardSettings()
    relabel: RelabelSettings = RelabelSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    render: RenderSettings = RenderSettings()
    store: StoreSettings = StoreSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    run: RunIdentity = RunIdentity()
