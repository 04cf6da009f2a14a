"""A preference model learns what goes round in circles, which no reward model can, through the trainer that all share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from prefrl.builtin import prefrl_register_losses
from prefrl.fit import Trainer, gather
from prefrl.games.model import PairwiseModel
from prefrl.losses import build_loss
from prefrl.rewards.ensemble import Ensemble
from prefrl.rewards.options import EnsembleOptions, PairwiseOptions
from prefrl.settings import FitSettings
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo, Episode, Preference, Query, RewardFit, Segment, Tiers

ENV = EnvInfo("Toy-v0", (2,), (1,))
CONTEXT = BuildContext(run="run", name="reward", seed=0, env=ENV)
LOSSES = {spec.name: spec for spec in prefrl_register_losses()}
CYCLE = [[0.5, 0.8, 0.2], [0.2, 0.5, 0.9], [0.8, 0.1, 0.5]]
CLIPS = [
    Segment.of(np.tile([np.cos(angle), np.sin(angle)], (5, 1)), np.zeros((4, 1)))
    for angle in np.arange(3) * 2 * np.pi / 3
]


def answers(each: int = 50) -> tuple[list[Preference], dict[str, Query]]:
    """`each` answers about every two clips, in the exact shares of CYCLE."""
    made = []
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        for n in range(each):
            query = Query.of("run", len(made), (CLIPS[i], CLIPS[j]))
            first = n < round(CYCLE[i][j] * each)
            made.append((query, Preference.of(query, Tiers(((0,), (1,)) if first else ((1,), (0,))), source="teacher")))
    return [preference for _, preference in made], {query.id: query for query, _ in made}


def fitted(model: Any, loss: str) -> RewardFit:
    model.observe([Episode(clip.id, clip.obs, clip.action) for clip in CLIPS])
    settings = FitSettings(epochs=60, batch_size=150, learning_rate=1e-2, validation=0, stop_accuracy=None)
    trainer = Trainer(model, build_loss([(1.0, loss, LOSSES[loss].options())], LOSSES), settings, (), (), 0)
    return trainer.fit(gather(*answers(), {}, model, 0.0), 0, 0)


def test_scores_learn_nothing_of_a_cycle_and_a_preference_model_all_of_it() -> None:
    reward = Ensemble(EnsembleOptions(members=1, hidden=(16,), output="linear"), CONTEXT)
    assert fitted(reward, "bradley_terry").metrics["nll"] == pytest.approx(math.log(2), abs=0.01)
    model = PairwiseModel(PairwiseOptions(hidden=(16,), planes=2), CONTEXT)
    assert fitted(model, "preference_matrix").metrics["nll"] <= 0.47  # the entropy of the answers is 0.442
    np.testing.assert_allclose(model.wins(CLIPS), CYCLE, atol=0.06)
    assert model.version == 1


def test_the_two_ways_round_add_up_and_the_order_of_clips_means_nothing() -> None:
    model = PairwiseModel(PairwiseOptions(), CONTEXT)
    wins = model.wins(CLIPS)
    np.testing.assert_allclose(wins + wins.T, 1, atol=1e-6)
    np.testing.assert_allclose(model.wins(CLIPS[::-1]), wins[::-1, ::-1], atol=1e-6)
    short = Segment.of(CLIPS[0].obs[:3], CLIPS[0].action[:2])  # padding counts for nothing
    np.testing.assert_allclose(model.wins([short, CLIPS[1]])[0, 1], wins[0, 1], atol=1e-6)


def test_its_state_and_a_reset() -> None:
    one, two = PairwiseModel(PairwiseOptions(), CONTEXT), PairwiseModel(PairwiseOptions(), CONTEXT)
    before = one.wins(CLIPS)
    fitted(one, "preference_matrix")
    two.load_state_dict(one.state_dict())
    np.testing.assert_array_equal(one.wins(CLIPS), two.wins(CLIPS))
    one.reset()
    one.observe([])
    assert torch.equal(one.net.mean, torch.zeros(3))
    np.testing.assert_array_equal(one.wins(CLIPS), before)


def test_it_pays_no_reward() -> None:
    model = PairwiseModel(PairwiseOptions(), CONTEXT)
    assert np.isnan(model.rewards([Episode("e", CLIPS[0].obs, CLIPS[0].action)])["reward"]).all()
    assert model.returns(CLIPS).shape == (1, 3)
