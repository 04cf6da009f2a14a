"""A PPO learner of seconds on Pendulum, paid by the task's own reward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prefrl.learners.on_policy import PPOLearner
from prefrl.learners.options import PPOOptions
from prefrl.relabel import Relabeller
from prefrl.rewards.truth import TrueReward
from prefrl.rollout.vectorised import information, record
from prefrl.settings import EnvSettings
from prefrl.specs import LearnerContext
from prefrl.timing import Clock

N_ENVS, TOTAL = 2, 512
SMALL = {"n_steps": 64, "batch_size": 32, "n_epochs": 2, "policy_kwargs": {"net_arch": [16]}}


@pytest.fixture
def ppo(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """``ppo(learning_rate="lin_1e-3")`` makes a learner for TOTAL steps on N_ENVS environments; `ticks` is what it told."""
    made: list[Any] = []

    def build(*, normalize: bool = True, seed: int = 7, **options: Any) -> PPOLearner:
        task = EnvSettings(id="Pendulum-v1", n_envs=N_ENVS, kwargs={"max_episode_steps": 30})
        venv = record(task, information(task), seed=seed, name="run", keep=None)
        clock = Clock()
        relabel = Relabeller(
            TrueReward(), frozenset({"true_reward"}), venv.recording, gamma=0.9, scale=False, bonuses=[], clock=clock
        )
        ticks: list[int] = []
        context = LearnerContext(
            env=venv, relabel=relabel, seed=seed, device="cpu", total_steps=TOTAL, normalize=normalize,
            folder=tmp_path / str(len(made)), clock=clock, tick=ticks.append,
        )  # fmt: skip
        learner: Any = PPOLearner(PPOOptions.model_validate({**SMALL, **options}), context)
        learner.ticks, learner.clock = ticks, clock
        made.append(learner)
        return learner  # type: ignore[no-any-return]  # with two attributes more, for the tests

    yield build
    for learner in made:
        learner.close()
