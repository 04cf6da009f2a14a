"""What procedures share: a learner that begins as a saved policy, and learning with looks and checkpoints on the way."""

from __future__ import annotations

from typing import Any

from prefrl.errors import ConfigError
from prefrl.specs import Learner, RunContext


def begin_as(learner: Learner, start: str | None, context: RunContext) -> None:
    """Give the learner the policy of the run folder or file `start`; None leaves it as it is."""
    if start is None:
        return
    read = context.build_context("start").saved_policy
    assert read is not None
    saved: Any = read(start)
    policy: Any = learner.policy
    try:
        policy.load_state_dict(saved.state_dict())
    except (RuntimeError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"procedure.start: {start} holds the policy of another algorithm, task or network than `algo` describes "
            f"({str(error).splitlines()[0]})."
        ) from error


def learn(context: RunContext, learner: Learner, target: int) -> None:
    """Learn up to `target` steps, on the way evaluating, at half time at the latest, and writing checkpoints."""
    settings = context.settings
    evaluate = min(settings.evaluate.every, max(1, settings.algo.n_timesteps // 2))
    while learner.steps < target:
        judged, saved = (_next(every, learner.steps) for every in (evaluate, settings.checkpoint.every))
        learner.advance(min(judged, saved, target) - learner.steps)
        if learner.steps >= judged and judged < settings.algo.n_timesteps:
            context.evaluate(learner.policy)
        if learner.steps >= saved:
            context.checkpoint()


def _next(every: int, step: int) -> int:
    """The first multiple of `every` after `step`."""
    return (step // every + 1) * every
