"""Three styles of a MuJoCo arm that beat one another in a circle: the mixture of them is what nobody beats."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

import prefrl_envs  # noqa: F401  registers the task
from prefrl import config
from prefrl.doors import Found, PluginRecord
from prefrl.errors import ConfigError
from prefrl.games.mixture import Mixture
from prefrl.plugins import PluginHost
from prefrl.procedures.run import Run
from prefrl.specs import AskContext, NoOptions, SourceSpec, hookimpl
from prefrl.types import Preference, Query, Tiers

ANGLES = np.deg2rad([0, 120, 240])  # of the torques of three styles
JUDGES = np.deg2rad([30, 150, 270])  # each ranks the styles by the torque in one direction; their majority is a circle
CONFIG = """
env: {{id: "prefrl_envs:Reach-v0", n_envs: 1}}
algo: {{name: ppo, n_timesteps: 64, n_steps: 32, batch_size: 32, normalize: false}}
procedure: {{name: game, policies: [{policies}], episodes: 2, pairs: 6}}
pretrain: null
feedback: {{segment: 10}}
reward: {{model: {model}, loss: {loss}, fit: {{epochs: 300, learning_rate: 1.0e-2, stop_accuracy: null}}}}
evaluate: {{episodes: 1, final_episodes: 1}}
sources: {sources}
"""


class Majority:
    """Three judges vote on every pair."""

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        for query in queries:
            first, second = (np.asarray(item.action).mean(0) for item in query.items)  # type: ignore[union-attr]  # segments all
            votes = [np.dot(first - second, [np.cos(angle), np.sin(angle)]) > 0 for angle in JUDGES]
            answer = Tiers(((0,), (1,)) if sum(votes) >= 2 else ((1,), (0,)))
            yield Preference.of(query, answer, source="majority")


class Plugin:
    __name__ = "majority"

    @hookimpl
    def prefrl_register_sources(self) -> Iterable[SourceSpec]:
        yield SourceSpec(name="majority", summary="three judges", options=NoOptions, build=lambda *_: Majority())


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, env = tmp_path_factory.mktemp("styles"), gym.make("prefrl_envs:Reach-v0")
    paths = []
    for number, angle in enumerate(ANGLES):
        model = PPO("MlpPolicy", env, n_steps=32, batch_size=32, device="cpu")
        with torch.no_grad():
            model.policy.action_net.weight.zero_()
            model.policy.action_net.bias.copy_(torch.tensor([np.cos(angle), np.sin(angle)]) * 0.9)
        paths.append(folder / f"{number}.zip")
        model.save(paths[-1])
    return paths


def play(
    folder: Path, styles: Sequence[Path], sources: str, model: str = "true_reward", loss: str = "bradley_terry"
) -> Any:
    yaml = folder / "game.yaml"
    policies = ", ".join(map(str, styles))
    yaml.write_text(CONFIG.format(policies=policies, sources=sources, model=model, loss=loss))
    host = PluginHost.from_environment(None, ())
    host.admit(Found(PluginRecord("majority", "this test"), Plugin))  # type: ignore[arg-type]  # pluggy takes any object
    run = Run(config.resolve(config.read(yaml, ()), host), host, folder / "run", "prefrl train game")
    run.execute()
    return run


@pytest.mark.parametrize(("model", "loss"), [("true_reward", "bradley_terry"), ("pairwise", "preference_matrix")])
def test_the_mixture_is_less_exploitable_than_any_single_style(
    tmp_path: Path, styles: list[Path], model: str, loss: str
) -> None:
    run = play(tmp_path, styles, "{majority: {}}", model, loss)
    found = json.loads((run.folder / "game.json").read_text())
    assert np.array(found["wins"]).tolist() == [[0, 6, 0], [0, 0, 6], [6, 0, 0]]
    assert found["exploitability"] < 0.1
    assert min(found["exploitability_of_each"]) > 0.3
    assert sorted(path.name for path in (run.folder / "mixture").iterdir()) == ["0", "1", "2", "mixture.json"]
    read = Mixture.load(run.folder / "mixture", lambda path: PPO.load(path, device="cpu"))  # type: ignore[arg-type,return-value]  # acts in its own way
    np.testing.assert_allclose(read.weights, 1 / 3, atol=0.1)
    assert (run.folder / "model.zip").exists()


def test_a_game_needs_somebody_to_ask(tmp_path: Path, styles: list[Path]) -> None:
    with pytest.raises(ConfigError, match="the procedure 'game' asks which policy's clip is better"):
        play(tmp_path, styles, "{}")


def test_a_game_needs_two_policies(tmp_path: Path, styles: list[Path]) -> None:
    with pytest.raises(ConfigError, match=r"procedure.policies: a game needs two policies or more, not 1"):
        play(tmp_path, styles[:1], "{majority: {}}")
