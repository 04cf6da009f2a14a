"""Policies and weights in, one policy per episode out: a mixture draws at each reset and stays with what it drew."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prefrl.errors import RunError
from prefrl.games.game import Floats
from prefrl.specs import Policy, named_rng


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """`policies` (K) under `names`, drawn with `weights` (K,)."""

    policies: Sequence[Policy]
    names: Sequence[str]
    weights: Floats

    def drawn(self, seed: int) -> Policy:
        """Who plays the episode of this seed."""
        return self.policies[int(named_rng(seed, "mixture").choice(len(self.policies), p=self.weights))]

    def save(self, folder: Path) -> None:
        """mixture.json with the weights, and each policy in a folder of its own, so that its statistics lie beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        parts = []
        for number, (policy, name, weight) in enumerate(zip(self.policies, self.names, self.weights, strict=True)):
            (folder / str(number)).mkdir(exist_ok=True)
            policy.save(folder / str(number) / "model.zip")
            parts.append({"name": name, "weight": float(weight), "file": f"{number}/model.zip"})
        (folder / "mixture.json").write_text(json.dumps(parts, indent=1), encoding="utf-8")

    @staticmethod
    def load(folder: Path, read: Callable[[Path], Policy]) -> Mixture:
        """What `save` wrote; `read` reads one policy, e.g. ``lambda path: saved_policy(path, "sac")``."""
        try:
            parts = json.loads((folder / "mixture.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunError(f"{folder}: there is no mixture (mixture.json).") from error
        weights = np.array([part["weight"] for part in parts])
        return Mixture([read(folder / part["file"]) for part in parts], [part["name"] for part in parts], weights)
