"""The blindfold of `test_nan`, for SAC and TD3: normalised observations, n-step returns, a relabelled replay buffer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from prefrl.rollout import vectorised
from prefrl.rollout.environments import make
from prefrl.store import open_store

ALGO = (
    "algo={{name: {}, n_timesteps: 260, normalize: true, n_steps: 3, buffer_size: 200, batch_size: 32, learning_starts: 50, "
    "policy_kwargs: {{net_arch: [16, 16]}}}}"
)


class Blind(gym.Wrapper[Any, Any, Any, Any]):
    """Innermost around every training environment: reward and privileged info are NaN."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        obs, _, terminated, truncated, info = self.env.step(action)
        hidden = {name: np.nan if isinstance(value, (int, float, np.number)) else value for name, value in info.items()}
        return obs, np.nan, terminated, truncated, hidden


def state(run: Any) -> dict[str, Any]:
    learner = run.learner()
    learned = {name: part for name, part in learner.state_dict().items() if name != "log"}  # which shows true returns
    return dict(leaves("", [learned, run.reward.state_dict(), learner.replay.rewards, learner.replay.dones]))


def leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(f"{name}/{key}", item)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from leaves(f"{name}/{i}", item)
    else:
        yield name, value


@pytest.mark.parametrize("algo", ["sac", "td3"])
def test_nothing_privileged_reaches_policy_reward_model_or_replay(
    algo: str, train: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = (
        ALGO.format(algo),
        "pretrain={name: random, steps: 128}",
        "evaluate={every: 260, episodes: 1, final_episodes: 1}",
    )
    first = train("first", *sets)
    answers = tmp_path / "answers.jsonl"
    with open_store(None, first.folder.parent) as store:
        store.data_set("run").export(answers)
    recorded = f"sources={{oracle: {{use: file, path: {answers}}}}}"
    plain = train("plain", *sets, recorded)
    monkeypatch.setattr(vectorised, "make", lambda settings: Blind(make(settings)))
    blind = train("blind", *sets, recorded)
    assert plain.learner().updates == blind.learner().updates > 100
    told = json.loads((blind.folder / "manifest.json").read_text())
    assert (told["steps"], told["gradient_steps"]) == (blind.step, blind.learner().updates)
    seeing, blinded = state(plain), state(blind)
    assert seeing.keys() == blinded.keys()
    for name, value in seeing.items():
        same = (
            torch.equal(value, blinded[name])
            if isinstance(value, torch.Tensor)
            else np.array_equal(value, blinded[name])
        )
        assert same, name
    assert np.ptp(blind.learner().replay.rewards) > 0
    assert np.isfinite(blind.learner().replay.rewards).all()


def test_a_sac_that_sees_the_true_reward_is_ruined_by_the_blindfold(
    train: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectorised, "make", lambda settings: Blind(make(settings)))
    with pytest.raises(ValueError, match="nan"):
        train("blind", ALGO.format("sac"), "reward={model: true_reward}", "sources={}", "pretrain=null")
