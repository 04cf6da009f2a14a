"""A run folder as `prefrl train` writes it, with made-up numbers whose statistics are known, and rendering without GL."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import yaml

from prefrl.report import clips
from prefrl.types import Segment

CONFIG: dict[str, Any] = {
    "plugins": [],
    "env": {"id": "HalfCheetah-v5", "n_envs": 8, "termination": "keep", "backend": "gym", "kwargs": {}},
    "algo": {"name": "ppo", "n_timesteps": 100_000, "normalize": True, "learning_rate": 2.06e-4},
    "procedure": {"name": "online"},
    "pretrain": {"name": "random", "steps": 8_000},
    "feedback": {"total": 50, "rounds": 10, "schedule": "constant", "segment": 50, "items": 4},
    "queries": {"selector": "disagreement", "candidates": 10, "window": 20_000},
    "sources": {"oracle": {"error": 0.0}},
    "reward": {"model": "ensemble", "members": 3, "hidden": [128, 128], "loss": {"name": "plackett_luce"}},
    "evaluate": {"every": 20_000, "episodes": 10, "final_episodes": 20},
    "render": {"size": 64, "camera": None},
    "run": {"name": "cheetah", "seed": 0, "device": "auto"},
}


def evaluation(
    step: int, preferences: int, mean: float, *, episodes: int = 20, spread: float = 0.0, **rest: Any
) -> dict[str, Any]:
    """Episode returns around `mean`, whose mean is exactly `mean`."""
    true = mean + spread * np.linspace(-1, 1, episodes)
    return {
        "step": step,
        "preferences": preferences,
        "seeds": [10_000 + i for i in range(episodes)],
        "true_return": true.tolist(),
        "learned_return": (true / 40).tolist(),
        "length": [1000] * episodes,
        "success": None,
        **rest,
    }


def _write_run(
    folder: Path,
    *,
    final: float = 3100.0,
    seed: int = 0,
    ground_truth: bool = False,
    status: str = "ok",
    arm_key: str = "5f2a",
    total: int = 50,
    states: bool = True,
) -> Path:
    """A whole run folder whose last evaluation has the mean return `final` and whose random actions have -280."""
    rng = np.random.default_rng(seed)
    (folder / "episodes").mkdir(parents=True)
    config = json.loads(json.dumps(CONFIG))
    config["run"] |= {"name": folder.name, "seed": seed}
    config["feedback"]["total"] = total
    if ground_truth:
        config |= {"reward": {"model": "true_reward"}, "sources": {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "command.txt").write_text("prefrl train configs/cheetah.yaml --set run.seed=0\n")
    manifest = {
        "run": folder.name,
        "status": status,
        "seed": seed,
        "started": 1_700_000_000.0 + seed,
        "finished": 1_700_000_170.0 + seed,
        "versions": {"prefrl": "0.1.0", "python": "3.11.9", "torch": "2.13.0", "mujoco": "3.4.0"},
        "machine": {"system": "Linux", "processor": "x86_64", "cores": 2, "gpu": None},
        "env": {
            "id": "HalfCheetah-v5",
            "task": "Run forward as fast as it can.",
            "dt": 0.05,
            "max_episode_steps": 1000,
        },
        "arm_key": arm_key,
        "steps": 100_000,
        "gradient_steps": 50_000,
        "plugins": [{"name": "oracle", "distribution": "prefrl-oracle", "version": "0.1.0"}],
    }
    _json(folder / "manifest.json", manifest)
    _json(folder / "random.json", evaluation(0, 0, -280.0, spread=90.0))
    shares = (0.0, 0.1, 0.28, 0.55, 0.8, 1.0)
    evaluations = [
        evaluation(
            20_000 * i,
            0 if ground_truth else total * i // 5,
            -280 + (final + 280) * part,
            episodes=20 if i == 5 else 10,
            spread=120.0 * i,
            rank_correlation=None if ground_truth or i == 0 else 0.55 + 0.07 * i,
            accuracy=None if ground_truth or i == 0 else 0.7 + 0.04 * i,
        )
        for i, part in enumerate(shares)
    ]
    _lines(folder / "evaluations.jsonl", evaluations)
    timing = {"total": 170.0, "collect": 60.0, "learn": 84.0, "evaluate": 9.0, "relabel": 2.0, "checkpoint": 1.5}
    if not ground_truth:
        timing |= {"ask": 1.0, "fit": 8.0}
        _reward_model(folder, rng, total)
    _json(folder / "timing.json", timing)
    for i, stage in enumerate(("start", "middle", "end")):
        _episode(folder / "episodes" / f"{stage}.npz", rng, step=50_000 * i, mean=shares[2 * i], states=states)
    return folder


def _reward_model(folder: Path, rng: np.random.Generator, total: int) -> None:
    fits = [
        {
            "round": i,
            "step": 8_000 + 9_000 * i,
            "preferences": total * (i + 1) // 10,
            "epochs": 40,
            "loss": 0.6 - 0.04 * i,
            "accuracy": 0.9 + 0.008 * i,
            "val_accuracy": None if i < 2 else 0.7 + 0.02 * i,
            "seconds": 0.8,
            "version": i + 1,
        }
        for i in range(10)
    ]
    _lines(folder / "fits.jsonl", fits)
    centres = np.linspace(0.05, 0.95, 10)
    _json(
        folder / "calibration.json", {"bins": [[c, c**1.2, 4 + i] for i, c in enumerate(centres)], "ece": 0.04, "n": 85}
    )
    true = rng.normal(60, 40, 300)
    np.savez(folder / "correlation.npz", true=true, learned=true / 50 + rng.normal(0, 0.3, 300))


def _episode(path: Path, rng: np.random.Generator, *, step: int, mean: float, states: bool) -> None:
    arrays = {
        "obs": rng.normal(size=(301, 17)),
        "action": rng.normal(size=(300, 6)),
        "true_reward": np.full(300, mean),
        "learned_reward": np.full(300, mean / 40),
        "step": np.array(step),
    }
    np.savez(path, **arrays, **({"states": rng.normal(size=(301, 19))} if states else {}))


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


def _lines(path: Path, values: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


@pytest.fixture(scope="session")
def write_run() -> Callable[..., Path]:
    """Writes a run folder; see `_write_run`."""
    return _write_run


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A tiny real clip."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    iio.imwrite(path, np.zeros((4, 32, 32, 3), np.uint8), fps=10, plugin="FFMPEG")
    return path.read_bytes()


@pytest.fixture(scope="session")
def render(video: bytes) -> Callable[..., None]:
    """In place of `render_clips`: tiny real videos, no renderer."""

    def render_clips(segments: Sequence[Segment], paths: Sequence[Path], **how: Any) -> None:
        for path in paths:
            path.write_bytes(video)

    return render_clips


@pytest.fixture(autouse=True)
def rendered(monkeypatch: pytest.MonkeyPatch, render: Callable[..., None]) -> list[dict[str, Any]]:
    """The calls of `render_clips`."""
    calls: list[dict[str, Any]] = []

    def note(segments: Sequence[Segment], paths: Sequence[Path], **how: Any) -> None:
        calls.append({"segments": list(segments), "paths": list(paths), **how})
        render(segments, paths)

    monkeypatch.setattr(clips, "render_clips", note)
    return calls
