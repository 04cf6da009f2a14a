"""What a run's evaluations leave in its folder: random actions first, each look a line, three episodes, SB3's layout."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefrl.procedures.evaluations import AGREEMENT_SEGMENTS, Evaluations
from prefrl.rollout.vectorised import information
from prefrl.runs import RunFolder
from prefrl.segments import SegmentPool
from prefrl.settings import AlgoSettings, EnvSettings, EvaluateSettings, FeedbackSettings
from prefrl.specs import named_rng
from prefrl.types import Array, Channels, Episode

TOTAL = 100


class Hold:
    """Pendulum's torque is always the same."""

    def __init__(self, torque: float) -> None:
        self.torque = torque

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        assert deterministic
        return np.full((len(obs), 1), self.torque, np.float32)


class Negative:
    """A learned reward that is the true one turned round."""

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        return {"reward": -np.concatenate([np.asarray(e.true_reward) for e in episodes])}

    def returns(self, items: Any, group: str | None = None) -> Array:
        return -np.array([[np.sum(item.true_reward) for item in items]])


class Settings:
    """Those that evaluations read."""

    env = EnvSettings(id="Pendulum-v1", n_envs=1, kwargs={"max_episode_steps": 20})
    evaluate = EvaluateSettings(every=10, episodes=2, final_episodes=3)
    feedback = FeedbackSettings(segment=5)
    algo = AlgoSettings(name="ppo", n_timesteps=TOTAL)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Evaluations]:
    folder = RunFolder.create(tmp_path / "run")
    settings: Any = Settings()
    evaluations = Evaluations(settings, information(settings.env), folder, lambda *path: named_rng(0, *path))
    yield evaluations
    evaluations.evaluator.close()
    folder.close()


def looked(made: Evaluations, step: int, *, final: bool = False, torque: float = 0.0, pool: Any = None) -> Any:
    policy: Any = Hold(torque)
    reward: Any = Negative()
    return made.of(policy, reward, pool, step=step, preferences=step // 10, final=final)


def test_random_actions_come_first_and_once_on_as_many_episodes_as_the_last_look(
    made: Evaluations, tmp_path: Path
) -> None:
    looked(made, 0)
    random = json.loads((tmp_path / "run" / "random.json").read_text())
    assert random["seeds"] == [10_000, 10_001, 10_002]
    looked(made, 50)
    assert json.loads((tmp_path / "run" / "random.json").read_text()) == random


def test_each_look_is_a_line_on_the_same_seeds(made: Evaluations, tmp_path: Path) -> None:
    for step, torque in ((0, 0.0), (50, 2.0), (TOTAL, 0.0)):
        looked(made, step, torque=torque, final=step == TOTAL)
    lines = [json.loads(line) for line in (tmp_path / "run" / "evaluations.jsonl").read_text().splitlines()]
    assert [(line["step"], line["preferences"]) for line in lines] == [(0, 0), (50, 5), (TOTAL, 10)]
    assert [line["seeds"] for line in lines] == [[10_000, 10_001], [10_000, 10_001], [10_000, 10_001, 10_002]]
    assert lines[0]["true_return"] == lines[2]["true_return"][:2] != lines[1]["true_return"]
    assert lines[0]["learned_return"] == [-x for x in lines[0]["true_return"]]
    assert made.last is not None
    assert list(made.last.true_return) == lines[2]["true_return"]


@pytest.mark.parametrize(("step", "name"), [(0, "start"), (1, "middle"), (59, "middle"), (60, "end"), (TOTAL, "end")])
def test_an_episode_is_kept_of_start_middle_and_end(made: Evaluations, tmp_path: Path, step: int, name: str) -> None:
    evaluation = looked(made, step)
    with np.load(tmp_path / "run" / "episodes" / f"{name}.npz") as kept:
        assert kept["step"] == step
        assert kept["obs"].shape == (21, 3)
        assert kept["true_reward"].sum() == pytest.approx(evaluation.true_return[0])
        np.testing.assert_allclose(kept["learned_reward"], -kept["true_reward"])


def test_learned_and_true_return_are_compared_on_recorded_clips_where_there_is_a_model(
    made: Evaluations, tmp_path: Path
) -> None:
    assert np.isnan(looked(made, 0).rank_correlation)
    assert not (tmp_path / "run" / "correlation.npz").exists()
    rng = np.random.default_rng(0)
    episode = Episode("e", rng.normal(size=(61, 3)), rng.normal(size=(60, 1)), true_reward=rng.normal(size=60))
    evaluation = looked(made, 50, pool=SegmentPool([episode], 60, 1))
    assert (evaluation.rank_correlation, evaluation.accuracy) == (pytest.approx(-1), 0.0)
    with np.load(tmp_path / "run" / "correlation.npz") as compared:
        assert compared["learned"].shape == compared["true"].shape == (AGREEMENT_SEGMENTS,)


def test_a_resumed_run_recalls_the_last_look(made: Evaluations, tmp_path: Path) -> None:
    made.recall()
    assert made.last is None
    looked(made, 0)
    last = looked(made, 50, torque=1.0)
    made.last = None
    made.recall()
    assert made.last is not None
    assert list(made.last.true_return) == list(last.true_return)


def test_sb3s_layout_has_as_many_episodes_as_every_look_had(made: Evaluations, tmp_path: Path) -> None:
    looked(made, 0)
    looked(made, TOTAL, final=True)
    made.save_results()
    with np.load(tmp_path / "run" / "evaluations.npz") as saved:
        assert saved["timesteps"].tolist() == [0, TOTAL]
        assert saved["results"].shape == saved["ep_lengths"].shape == (2, 2)
        assert set(saved["ep_lengths"].ravel()) == {20}
