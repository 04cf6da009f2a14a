"""The ground-truth arm is the environment's own reward, unchanged by anything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prefrl.options import NoOptions
from prefrl.rewards.truth import true_reward
from prefrl.specs import BuildContext
from prefrl.types import Episode, Segment


def test_it_pays_what_the_environment_paid(
    context: BuildContext, episode: Callable[..., Episode], segment: Callable[..., Segment]
) -> None:
    model = true_reward(NoOptions(), context)
    rewards = [np.arange(5.0), -np.arange(3.0)]
    episodes = [episode(i, len(r), true_reward=r) for i, r in enumerate(rewards)]
    model.observe(episodes)
    model.fitted()
    model.reset()
    assert np.array_equal(model.rewards(episodes)["reward"], np.concatenate(rewards))
    items = [segment(0, 4, true_reward=np.arange(4.0)), segment(1, 2, true_reward=np.array([-1.0, 5.0]))]
    assert model.returns(items).tolist() == [[6.0, 4.0]]
    assert model.scorers() == ()
    assert model.version == 1
    model.load_state_dict(model.state_dict())
