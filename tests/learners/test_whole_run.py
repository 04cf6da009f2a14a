"""However often SB3's `learn` is entered it is one run: schedules, clocks, logs; and what a state holds of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stable_baselines3.common.logger import configure
from stable_baselines3.common.save_util import load_from_zip_file
from torch import nn

from prefrl.learners.options import PPOOptions
from prefrl.learners.whole_run import arguments, load_log_state, log_state, normalized

Ppo = Callable[..., Any]


# --- one run ---------------------------------------------------------------------------------------------------------


def test_progress_falls_over_the_whole_run_and_never_rises(ppo: Ppo) -> None:
    ours, remaining = ppo(learning_rate="lin_1e-3"), []
    for _ in range(4):
        ours.advance(128)
        remaining.append(ours._model._current_progress_remaining)
    assert remaining == [0.75, 0.5, 0.25, 0.0]


def test_the_clock_of_the_log_runs_from_the_first_advance(ppo: Ppo, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ppo()
    ours.advance(128)
    begun = ours._model.start_time
    ours.advance(128)
    assert ours._model.start_time == begun
    assert ours._model._num_timesteps_at_start == 0  # else frames per second would be those of the last advance


def test_the_true_return_stands_beside_the_learned_one(ppo: Ppo) -> None:
    ours = ppo()
    ours.advance(128)
    ended = list(ours._relabel.ended)
    assert ours._model.ep_info_buffer is ours._relabel.ended
    assert len(ended) == 4  # of 30 steps each, on two environments
    header, line = (Path(ours._model.logger.dir) / "progress.csv").read_text().splitlines()
    logged = dict(zip(header.split(","), line.split(","), strict=True))
    true = sum(episode["true"] for episode in ended) / len(ended)
    assert float(logged["rollout/ep_true_rew_mean"]) == pytest.approx(true)
    assert float(logged["rollout/ep_rew_mean"]) == pytest.approx(true, rel=1e-4)  # the reward here is the true one


def test_a_saved_model_holds_nothing_of_the_run(ppo: Ppo, tmp_path: Path) -> None:
    ours = ppo()
    ours.advance(128)
    ours.save(tmp_path / "model.zip")
    data, _, _ = load_from_zip_file(tmp_path / "model.zip", device="cpu")
    assert data is not None
    assert not {"relabel", "clock", "tick", "_begun", "rollout_buffer_kwargs", "rollout_buffer_class"} & data.keys()


# --- its parts -------------------------------------------------------------------------------------------------------


def test_arguments_are_sb3s_with_schedules_as_functions_and_activations_as_classes() -> None:
    options = PPOOptions.model_validate(
        {"learning_rate": "lin_1e-3", "clip_range": 0.1, "policy_kwargs": {"activation_fn": "nn.Tanh", "net_arch": [8]}}
    )
    values = arguments(options, {"policy", "n_epochs"}, ("learning_rate", "clip_range", "clip_range_vf"))
    assert values["learning_rate"](0.5) == pytest.approx(5e-4)
    assert (values["clip_range"], values["clip_range_vf"]) == (0.1, None)
    assert values["policy_kwargs"] == {"activation_fn": nn.Tanh, "net_arch": [8]}
    assert not {"policy", "n_epochs"} & values.keys()


def test_observations_are_normalised_if_asked_and_rewards_never(ppo: Ppo) -> None:
    env = ppo(normalize=False)._model.get_env()
    around = normalized(SimpleNamespace(env=env, normalize=True), gamma=0.9)  # type: ignore[arg-type]  # all it reads
    assert around is not None
    assert (around.norm_obs, around.norm_reward) == (True, False)
    assert normalized(SimpleNamespace(env=env, normalize=False), gamma=0.9) is None  # type: ignore[arg-type]  # as above


def test_a_log_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = configure(str(tmp_path / "first"), ["csv", "json"])
    first.record("a", 1)
    first.dump(0)
    first.record("a", 2)
    first.record("b", 5)  # waits to be written
    state = log_state(first)
    first.close()
    again = configure(str(tmp_path / "again"), ["csv", "json"])
    load_log_state(again, state)
    again.dump(1)
    again.close()
    assert (tmp_path / "again" / "progress.csv").read_text().splitlines() == ["a,b", "1,", "2,5"]
    assert (tmp_path / "again" / "progress.json").read_text().splitlines() == ['{"a": 1}', '{"a": 2, "b": 5}']


def test_a_log_that_was_closed_can_still_be_told(tmp_path: Path) -> None:
    logger = configure(str(tmp_path), ["csv"])
    logger.record("a", 1)
    logger.dump(0)
    logger.close()
    assert log_state(logger)["files"] == {"CSVOutputFormat": "a\n1\n"}
