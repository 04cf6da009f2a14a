"""What a learner promises, one function per promise; each takes the spec and the options it is tried with."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from prefrl.checkpoints import newest, write
from prefrl.errors import PrefrlError
from prefrl.specs import Learner, LearnerSpec
from prefrl.testing.promises import NotTried, chosen, each
from prefrl.testing.runs import host_with, learner_of

Given = Mapping[str, Any] | None
CHUNK = 128  # steps of one call; a learner may take more, in whole rollouts
OBS = np.random.default_rng(0).normal(scale=0.1, size=(5, 4))  # of the tiny task


def attempts(spec: LearnerSpec, options: Given) -> list[tuple[str, Callable[..., None], Any]]:
    """All of them."""
    return each(PROMISES, spec, options)


@contextmanager
def _learner(spec: LearnerSpec, options: Given) -> Iterator[tuple[Learner, Any]]:
    chosen(spec, options)
    with tempfile.TemporaryDirectory() as folder:
        opened = learner_of(host_with("learners", spec), Path(folder), {"name": spec.name, **(options or {})})
        try:
            learner, venv = opened.__enter__()
        except PrefrlError as error:
            if options is not None:
                raise
            raise NotTried(f"with default options it is refused here: {error}") from error
        try:
            yield learner, venv
        finally:
            opened.__exit__(None, None, None)


def counts_its_steps(spec: LearnerSpec, options: Given) -> None:
    """`advance(n)` takes at least n steps and `steps` counts every step of every environment.

    Mend: add the number of environments to `steps` at each step, and finish the rollout that reaches n.
    """
    with _learner(spec, options) as (learner, venv):
        assert learner.steps == 0, f"a fresh learner has taken {learner.steps} steps"
        learner.advance(CHUNK)
        assert learner.steps >= CHUNK, f"{learner.steps} steps of {CHUNK}"
        assert learner.steps == venv.recording.steps, f"it counts {learner.steps}, recorded are {venv.recording.steps}"


def acts_in_the_action_space(spec: LearnerSpec, options: Given) -> None:
    """Its policy turns raw observations into as many actions within the space, the same each time it acts deterministically.

    Mend: return an array (N, *action_shape), clipped to the bounds; normalise observations inside the policy.
    """
    with _learner(spec, options) as (learner, venv):
        learner.advance(CHUNK)
        actions = np.asarray(learner.policy.act(OBS))
        assert actions.shape == (5, *venv.action_space.shape), f"actions of shape {actions.shape} for 5 observations"
        assert all(venv.action_space.contains(row.astype(venv.action_space.dtype)) for row in actions), "out of bounds"
        assert (actions == learner.policy.act(OBS)).all(), "it acts otherwise the second time"
        densities = np.asarray(learner.policy.log_prob(OBS, actions))
        assert densities.shape == (5,), f"log_prob of 5 actions has shape {densities.shape}"


def learns_in_pieces_as_in_one_go(spec: LearnerSpec, options: Given) -> None:
    """Two advances leave the policy that one long advance leaves, bit for bit.

    Mend: keep all that lasts between calls in the learner: the last observation, schedules by `total_steps`, generators.
    """
    with _learner(spec, options) as (learner, _):
        learner.advance(CHUNK)
        learner.advance(CHUNK)
        steps, pieces = learner.steps, np.asarray(learner.policy.act(OBS))
    with _learner(spec, options) as (learner, _):
        learner.advance(steps)
        assert learner.steps == steps, f"{learner.steps} steps in one go, {steps} in pieces"
        assert (np.asarray(learner.policy.act(OBS)) == pieces).all(), "the policies act differently"


def comes_back_from_its_state(spec: LearnerSpec, options: Given) -> None:
    """What `state_dict` gives can be written to disk, and a fresh learner that loads it has its policy and its counts.

    Mend: put weights, optimiser, statistics of normalisation, counts and generators into `state_dict`.
    """
    with _learner(spec, options) as (learner, _), tempfile.TemporaryDirectory() as folder:
        learner.advance(CHUNK)
        write(Path(folder), 0, {"learner": learner.state_dict()}, keep=1)
        state, actions = newest(Path(folder)), np.asarray(learner.policy.act(OBS))
        counts = learner.steps, learner.updates
    assert state is not None, "its state cannot be read back"
    with _learner(spec, options) as (fresh, _):
        fresh.load_state_dict(state["learner"])
        assert (fresh.steps, fresh.updates) == counts, f"{fresh.steps} steps, {fresh.updates} updates; were {counts}"
        assert (np.asarray(fresh.policy.act(OBS)) == actions).all(), "its policy acts differently"


def explores_without_learning(spec: LearnerSpec, options: Given) -> None:
    """`explore(n)` takes at least n steps, which count, and leaves the policy as it is.

    Mend: sample `env.action_space`, count the steps, and call `relabel.skip()` so that nobody learns from them.
    """
    with _learner(spec, options) as (learner, _):
        before = np.asarray(learner.policy.act(OBS)), learner.updates
        learner.explore(20)
        assert learner.steps >= 20, f"{learner.steps} steps of 20"
        assert learner.updates == before[1], f"{learner.updates - before[1]} updates"
        assert (np.asarray(learner.policy.act(OBS)) == before[0]).all(), "the policy is another one"


def saves_its_policy(spec: LearnerSpec, options: Given) -> None:
    """`save` writes one file where it is told to.

    Mend: write to exactly the path given; `numpy.savez` adds an ending unless it is handed an open file.
    """
    with _learner(spec, options) as (learner, _), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.zip"
        learner.save(path)
        assert path.is_file(), f"there is {', '.join(p.name for p in Path(folder).iterdir()) or 'nothing'}"


PROMISES = (
    counts_its_steps,
    acts_in_the_action_space,
    learns_in_pieces_as_in_one_go,
    comes_back_from_its_state,
    explores_without_learning,
    saves_its_policy,
)
