"""What can be set of each thing, with defaults; the YAML's keys are these fields."""

from pydantic import Field

from prefrl.options import Options


class SourceOptions(Options):
    """Of the source `example_calm`."""

    margin: float = Field(0.0, ge=0, description="clips whose mean squared actions are nearer than this are tied")


class HingeOptions(Options):
    """Of the loss `example_hinge`."""

    margin: float = Field(1.0, gt=0, description="how far ahead the preferred clip should be")


class ClimberOptions(Options):
    """Of the learner `example_climber`."""

    rollout: int = Field(64, ge=1, description="steps of every environment in which a change is tried")
    step_size: float = Field(0.3, gt=0, description="standard deviation of a change of the action")


class BonusOptions(Options):
    """Of the bonus `example_motion`."""

    scale: float = Field(0.01, ge=0, description="reward per unit of change at step 0")
    half_life: int = Field(10_000, ge=1, description="steps after which it is half of that")
