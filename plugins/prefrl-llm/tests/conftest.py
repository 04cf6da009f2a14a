"""A task of seconds with named actions, and nothing from any hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

os.environ["HF_HUB_OFFLINE"] = "1"

COLOURS = ("red", "green", "blue", "grey")
EVERY = [[goal, room] for goal in range(4) for room in range(3)]
HELD_OUT = [[0, 0], [1, 1], [2, 2], [3, 0]]


class Colours(gymnasium.Env[Any, Any]):
    """Two choices among four colours; each is worth 1 if it is the goal's. `contexts` are the (goal, room) that come up."""

    metadata = {"render_modes": [], "prefrl": {"actions": list(COLOURS), "task": "Say the colour of the goal."}}

    def __init__(self, contexts: Any = EVERY) -> None:
        self.observation_space = spaces.Box(-10.0, 10.0, (3,), np.float64)
        self.action_space = spaces.Discrete(4)
        self._contexts, self._seen = contexts, np.zeros(3)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        goal, room = self._contexts[self.np_random.integers(len(self._contexts))]
        self._seen = np.array([goal, room, 0.0])
        return self._seen.copy(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        right = float(action == self._seen[0])
        self._seen[2] += 1
        return self._seen.copy(), right, False, bool(self._seen[2] == 2), {"success": bool(right)}


gymnasium.register("PrefrlColours-v0", entry_point=Colours)
gymnasium.register("PrefrlTorque-v0", entry_point=lambda contexts: gymnasium.make("Pendulum-v1").unwrapped)

TINY = """
env: {id: PrefrlColours-v0, n_envs: 1, kwargs: {contexts: ASKED}}
algo:
  name: llm
  n_timesteps: 1
  prompt: "paint it {goal} in {room} now"
  describe:
    goal: {entry: 0, edges: [0.5, 1.5, 2.5], words: [red, green, blue, grey]}
    room: {entry: 1, edges: [0.5, 1.5], words: [kitchen, hall, cellar]}
  built: {layers: 1, width: 32, heads: 2, context: 32}
  lora: {rank: 8, alpha: 16}
procedure: {name: same_start, sft: {updates: 60, episodes: 20, batch_size: 32, learning_rate: 3.0e-3}, held_out: {episodes: 60, kwargs: {contexts: HELD_OUT}}}
pretrain: null
feedback: {total: 300, rounds: 3, segment: 2}
sources: {oracle: {}}
reward:
  model: policy
  log_prob: density
  loss: {name: dpo, beta: 1.0}
  fit: {updates: 100, epochs: 100, batch_size: 16, learning_rate: 3.0e-3, stop_accuracy: null}
evaluate: {every: 1, episodes: 10, final_episodes: 10}
""".replace("ASKED", str([context for context in EVERY if context not in HELD_OUT])).replace("HELD_OUT", str(HELD_OUT))


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """``train("algo.lora=null")``: the folder of a tiny run with those settings."""
    from prefrl import config
    from prefrl.plugins import PluginHost
    from prefrl.procedures.run import Run

    def run(*sets: str, name: str = "tiny", changes: Mapping[str, str] | None = None) -> Path:
        monkeypatch.chdir(tmp_path)
        path, text = tmp_path / f"{name}.yaml", TINY
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(f"{text}\nrun: {{name: {name}}}\n", encoding="utf-8")
        tree = config.read(path, sets)
        host = PluginHost.from_environment(None, config.plugins_of(tree))
        return Run(config.resolve(tree, host), host, tmp_path / "runs" / name, f"prefrl train {name}").execute()

    return run
