"""A long SAC run keeps no more than its replay buffer and the recorded episodes that the buffer's rows come from."""

from __future__ import annotations

import os
from pathlib import Path

from prefrl import config
from prefrl.plugins import PluginHost
from prefrl.procedures.run import Run

CONFIG = Path(__file__).parents[2] / "configs" / "bench" / "speed_sac.yaml"
STEPS, BUFFER, EVERY = 300_000, 50_000, 10_000
SETS = [
    f"algo.n_timesteps={STEPS}", "feedback.total=20", f"algo.buffer_size={BUFFER}", "algo.train_freq=64", "algo.gradient_steps=1",
    "algo.policy_kwargs={net_arch: [32, 32]}", "reward.hidden=[32]", "evaluate.episodes=1", "evaluate.final_episodes=1",
]  # fmt: skip


def resident() -> float:
    """MB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_memory_is_flat_once_the_buffer_is_full(tmp_path: Path) -> None:
    tree = config.read(CONFIG, SETS)
    host = PluginHost.from_environment(None, config.plugins_of(tree))
    run = Run(config.resolve(tree, host), host, tmp_path / "run", "memory")
    samples: dict[int, float] = {}
    run._progress.step = lambda steps: samples.setdefault(steps // EVERY * EVERY, resident())  # type: ignore[method-assign, assignment, return-value]  # looks on
    run.execute()
    before, after = ([samples[step] for step in samples if low < step <= low + 100_000] for low in (100_000, 200_000))
    print("MB by step:", {step: round(mb, 1) for step, mb in samples.items()})
    assert len(before) == len(after) == 10
    assert max(after) - max(before) < 8, "peaks: a checkpoint being written is 14 MB for a moment"
