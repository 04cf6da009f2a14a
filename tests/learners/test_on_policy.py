"""PPO's handle: what it takes and refuses, explores, counts, saves and restores; bitwise equality is in tests/relabel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from prefrl.errors import ConfigError
from prefrl.evaluation import final_policy

Ppo = Callable[..., Any]


def weights(learner: Any) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in learner._model.policy.state_dict().values()]


def equal(one: list[torch.Tensor], two: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("batch_size", [48, 256])
def test_a_batch_that_the_rollout_does_not_divide_into_is_refused(ppo: Ppo, batch_size: int) -> None:
    with pytest.raises(ConfigError, match=rf"algo.batch_size: {batch_size} does not divide .* = 64 \* 2 = 128; choose"):
        ppo(batch_size=batch_size)


def test_it_advances_in_whole_rollouts_and_counts_steps_and_updates(ppo: Ppo) -> None:
    ours = ppo()
    ours.advance(0)
    assert (ours.steps, ours.updates, ours.ticks) == (0, 0, [])
    ours.advance(129)  # a rollout is 128 steps
    assert (ours.steps, ours.updates) == (256, 2 * 2 * 4)  # rollouts, epochs, batches
    assert ours.ticks == [128, 256]
    assert {"collect", "learn"} <= set(ours.clock.report())


def test_exploration_takes_random_steps_that_nobody_learns_from(ppo: Ppo) -> None:
    ours = ppo()
    before = weights(ours)
    ours.explore(301)
    assert (ours.steps, ours.updates) == (302, 0)
    assert equal(before, weights(ours))
    (tracks,) = (ours._recording.tracks,)
    actions = np.concatenate([np.asarray(track.view().action).ravel() for track in tracks])
    assert abs(actions.mean()) < 0.3
    assert abs(actions.std() - 2 / 3**0.5) < 0.2  # uniform on [-2, 2]
    ours.advance(128)
    assert ours.steps == 430
    assert not equal(before, weights(ours))


def test_exploration_depends_on_the_seed_alone(ppo: Ppo) -> None:
    def explored(seed: int) -> np.ndarray:
        ours = ppo(seed=seed)
        ours.explore(20)
        return np.concatenate([np.asarray(track.view().action) for track in ours._recording.tracks])

    first, again, other = explored(3), explored(3), explored(4)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("normalize", [True, False])
def test_what_it_saves_is_sb3s_and_acts_the_same(ppo: Ppo, normalize: bool, tmp_path: Path) -> None:
    ours = ppo(normalize=normalize)
    ours.advance(128)
    ours.save(tmp_path / "model.zip")
    obs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    expected = ours.policy.act(obs)
    np.testing.assert_array_equal(final_policy(tmp_path, "ppo").act(obs), expected)
    assert (tmp_path / "vecnormalize.pkl").exists() == normalize
    plain = PPO.load(tmp_path / "model.zip", device="cpu")
    if not normalize:
        np.testing.assert_array_equal(plain.predict(obs, deterministic=True)[0], expected)


def test_state_restores_weights_statistics_and_counts(ppo: Ppo) -> None:
    ours, fresh = ppo(), ppo(seed=8)
    ours.advance(256)
    assert not equal(weights(ours), weights(fresh))
    fresh.load_state_dict(ours.state_dict())
    assert (fresh.steps, fresh.updates) == (ours.steps, ours.updates) == (256, 16)
    assert equal(weights(ours), weights(fresh))
    one, two = (learner._model.get_vec_normalize_env() for learner in (ours, fresh))
    assert isinstance(one, VecNormalize)
    assert isinstance(two, VecNormalize)
    np.testing.assert_array_equal(one.obs_rms.mean, two.obs_rms.mean)
    np.testing.assert_array_equal(ours._model._last_obs, fresh._model._last_obs)


def test_what_is_logged_stands_in_the_next_line(ppo: Ppo) -> None:
    ours = ppo()
    ours.log({"pref/n_labels": 12})
    ours.advance(256)
    header, first, *_ = (Path(ours._model.logger.dir) / "progress.csv").read_text().splitlines()
    assert dict(zip(header.split(","), first.split(","), strict=True))["pref/n_labels"] == "12"
