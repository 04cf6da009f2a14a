"""For authors of plugins: what each kind promises, as checks; a tiny task, clips and a run to try things on.

    from prefrl.testing import source_checks

    @source_checks("my_teacher", options={"margin": 2.0})
    def test_my_teacher_keeps_the_contract(check):
        check()

`prefrl plugins check NAME` tries the same promises with default options. Importing this imports no torch.

promises         a spec in, what became of each promise out
examples         a small task, clips, questions, a pool
teacher          a plugin with a source that answers by the true reward
runs             settings in, a run of seconds out
sources, selectors, reward_models, losses, learners, procedures    the promises of each kind
resuming         runs that are killed and resumed, and what differs afterwards
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prefrl.testing.promises import NotTried, Promise, Test, Verdict, check, parametrized, promises

__all__ = [
    "NotTried",
    "Promise",
    "Verdict",
    "check",
    "learner_checks",
    "loss_checks",
    "procedure_checks",
    "promises",
    "reward_model_checks",
    "selector_checks",
    "source_checks",
]


def source_checks(name: str, options: Mapping[str, Any] | None = None) -> Callable[[Test], Test]:
    """Runs the test once per promise of the source `name`."""
    return parametrized("sources", name, options)


def selector_checks(name: str, options: Mapping[str, Any] | None = None) -> Callable[[Test], Test]:
    """Runs the test once per promise of the selector `name`."""
    return parametrized("selectors", name, options)


def reward_model_checks(name: str, options: Mapping[str, Any] | None = None) -> Callable[[Test], Test]:
    """Runs the test once per promise of the reward model `name`."""
    return parametrized("reward_models", name, options)


def loss_checks(name: str, options: Mapping[str, Any] | None = None) -> Callable[[Test], Test]:
    """Runs the test once per promise of the loss `name` and kind of answer it takes."""
    return parametrized("losses", name, options)


def learner_checks(name: str, options: Mapping[str, Any] | None = None) -> Callable[[Test], Test]:
    """Runs the test once per promise of the learner `name`."""
    return parametrized("learners", name, options)


def procedure_checks(name: str, options: Mapping[str, Any] | None = None) -> Callable[[Test], Test]:
    """Runs the test once per promise of the procedure `name`."""
    return parametrized("procedures", name, options)
