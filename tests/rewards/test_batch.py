"""Segments of different length become one padded batch, and chosen steps of chosen items are looked up in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from prefrl.errors import DataError
from prefrl.rewards.batch import collate_segments, episode_inputs, input_size, step_inputs
from prefrl.types import Candidate, EnvInfo, Episode, Segment, Text

Make = Callable[..., Segment]


def test_a_row_is_the_observation_before_the_action_and_the_action(segment: Make, env: EnvInfo) -> None:
    batch = collate_segments([segment(0, 4), segment(1, 2)], env, "cpu")
    assert batch.inputs.shape == (2, 4, 5)
    assert batch.inputs.dtype == torch.float32
    piece = segment(0, 4)
    assert np.array_equal(batch.inputs[0, :, :3], piece.obs[:-1].astype(np.float32))
    assert np.array_equal(batch.inputs[0, :, 3:], piece.action.astype(np.float32))
    assert batch.mask.tolist() == [[True] * 4, [True, True, False, False]]
    assert batch.lengths.tolist() == [4, 2]
    assert not batch.inputs[1, 2:].any()


def test_discrete_actions_are_one_hot() -> None:
    env = EnvInfo("Toy-v0", (2, 2), (), discrete_actions=3)
    rows = step_inputs(np.ones((2, 2, 2)), np.array([2, 0]), env)
    assert input_size(env) == 7 == rows.shape[1]
    assert rows[:, 4:].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert np.array_equal(rows, step_inputs(np.ones((2, 2, 2)), np.array([[2], [0]]), env))  # as SB3 shapes them


def test_a_candidate_is_judged_by_its_clip(segment: Make, env: EnvInfo) -> None:
    batch = collate_segments([Candidate("a", clip=segment(3))], env, "cpu")
    assert torch.equal(batch.inputs, collate_segments([segment(3)], env, "cpu").inputs)
    for item in (Candidate("a"), Text("prompt", "completion")):
        with pytest.raises(DataError, match=r"cannot score item .* which holds no clip"):
            collate_segments([item], env, "cpu")


def test_chosen_steps_are_looked_up_and_missing_ones_masked(segment: Make, env: EnvInfo) -> None:
    batch = collate_segments([segment(0, 4), segment(1, 2)], env, "cpu")
    index = torch.tensor([[1, 0], [0, -1]])
    steps = torch.tensor([[[1, -1], [3, 0]], [[2, 2], [0, 0]]])
    inputs, mask = batch.at(index, steps)
    assert mask.tolist() == [[[True, False], [True, True]], [[True, True], [False, False]]]
    assert torch.equal(inputs[0, 0, 0], batch.inputs[1, 1])
    assert torch.equal(inputs[0, 1], batch.inputs[0, [3, 0]])
    assert torch.equal(inputs[1, 0], batch.inputs[0, [2, 2]])


def test_episodes_are_laid_end_to_end(episode: Callable[..., Episode], env: EnvInfo) -> None:
    one, other = episode(0, 5), episode(1, 3)
    rows = episode_inputs([one, other], env)
    assert rows.shape == (8, 5)
    assert np.array_equal(rows[5:], step_inputs(other.obs[:-1], other.action, env))
