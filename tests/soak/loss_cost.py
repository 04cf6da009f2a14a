"""What a loss costs beside the reward network whose scores it judges: value and gradient for 4096 pairs, CPU seconds.

    python tests/soak/loss_cost.py [--pairs 4096] [--steps 16] [--hidden 128 128] [--repeats 7] [--out FILE]

The network is one member of the default ensemble on HalfCheetah's inputs, over the steps that a gradient step of
`configs/methods/preferences.yaml` draws from each clip; longer clips and wider networks only make the share smaller.
Network and losses are timed by turns, and medians are compared. Exit code 1 if any share exceeds 5 %.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from prefrl.losses import Kind, Labels, PrefLoss, Scores, build_loss
from prefrl.plugins import PluginHost
from prefrl.rewards.ensemble import Member
from prefrl.rewards.options import EnsembleOptions

INPUTS = 17 + 6  # of HalfCheetah-v5: observation and action
LIMIT = 0.05
LOSSES = ("bradley_terry", "plackett_luce", "lipo", "cpl", "cpl_kl", "dpo", "ipo", "simpo", "orpo", "rdpo", "fdpo")


def seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def measure(pairs: int, steps: int, hidden: Sequence[int], repeats: int, losses: Sequence[str]) -> dict[str, Any]:
    """CPU seconds of the network (forward and backward) and of each loss (the same), and their shares."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    options = EnsembleOptions(members=1, hidden=tuple(hidden), activation="tanh")
    network = Member(INPUTS, options, generator)
    inputs = torch.randn((pairs, 2, steps, INPUTS), generator=generator)
    labels = Labels(Kind.PAIR, pref=torch.randint(2, (pairs,), generator=generator).float())
    specs = PluginHost.from_environment(environ={}).specs("losses")
    built = {name: build_loss([(1.0, name, specs[name].options())], specs) for name in losses}
    leaf = network(inputs).sum(-1).detach().requires_grad_()
    aux = {key: torch.randn((pairs, 2), generator=generator) for key in ("ref_logp", "nll")}
    aux["length"] = torch.full((pairs, 2), float(steps))

    def of_network() -> None:
        network(inputs).sum(-1).backward(torch.ones(pairs, 2))

    def of_loss(loss: PrefLoss) -> Callable[[], None]:
        def run() -> None:
            loss(Scores.of(leaf - 10, **aux), labels).loss.backward()

        return run

    work = {"": of_network, **{name: of_loss(loss) for name, loss in built.items()}}
    for each in work.values():
        each()  # the first call pays for memory
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats):
        for name, each in work.items():
            times[name].append(seconds(each))
    medians = {name: statistics.median(spent) for name, spent in times.items()}
    network_seconds = medians.pop("")
    return {
        "pairs": pairs, "steps": steps, "hidden": list(hidden), "repeats": repeats, "network_seconds": network_seconds,
        "losses": {name: {"seconds": spent, "share": spent / network_seconds} for name, spent in medians.items()},
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 128])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    told = measure(given.pairs, given.steps, given.hidden, given.repeats, LOSSES)
    print(f"network {1e3 * told['network_seconds']:8.2f} ms")
    for name, row in told["losses"].items():
        print(f"{name:14} {1e3 * row['seconds']:8.2f} ms {row['share']:7.2%}")
    if given.out:
        given.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return int(any(row["share"] > LIMIT for row in told["losses"].values()))


if __name__ == "__main__":
    sys.exit(main())
