"""Whole runs in seconds, from YAML text to a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from prefrl import config
from prefrl.doors import Found
from prefrl.plugins import PluginHost, PluginRecord
from prefrl.procedures.run import Run

CHEETAH = """
env: {id: HalfCheetah-v5, n_envs: 2, kwargs: {max_episode_steps: 100}}
algo: {name: ppo, n_timesteps: 768, normalize: true, n_steps: 64, batch_size: 32, n_epochs: 2}
pretrain: {name: random, steps: 256}
feedback: {total: 12, rounds: 3, segment: 20}
queries: {selector: disagreement, window: 2000}
reward: {members: 2, hidden: [32], fit: {epochs: 4, validation: 0.2}}
evaluate: {every: 384, episodes: 1, final_episodes: 1}
run: {name: tiny, seed: 3}
"""

Train = Callable[..., Run]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """``train("name", yaml, *sets, plugins=[module])`` runs to the end and returns the run."""

    def run(name: str, text: str = CHEETAH, *sets: str, plugins: tuple[ModuleType, ...] = ()) -> Run:
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        tree = config.read(path, sets)
        host = PluginHost.from_environment(None, config.plugins_of(tree))
        for plugin in plugins:
            host.admit(Found(PluginRecord(plugin.__name__, "this test"), lambda plugin=plugin: plugin))
        started = Run(config.resolve(tree, host), host, tmp_path / name / "run", "test")
        started.execute()
        return started

    return run
