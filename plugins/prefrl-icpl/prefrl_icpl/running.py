"""A program's text and recorded steps in, its rewards of those steps out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prefrl.errors import ConfigError
from prefrl.sandbox import Box, Limits, Rewards
from prefrl.types import Array, EnvInfo, Episode, Segment
from prefrl_icpl.environment import allowed_factors
from prefrl_icpl.options import ConfinedOptions


class Runner:
    """One program in its box. `ProgramFault` comes out of it as it is."""

    def __init__(self, text: str, env: EnvInfo, options: ConfinedOptions) -> None:
        self._factors = allowed_factors(env, privileged=options.privileged)
        action = () if env.discrete_actions is not None else env.action_shape
        shapes = {"obs": env.obs_shape, "action": action, "next_obs": env.obs_shape}
        shapes |= {f"factors.{name}": () for name in self._factors}
        self.box = Box(text, shapes, tier=options.sandbox, limits=Limits(seconds=options.seconds))

    def __call__(self, recorded: Sequence[Episode | Segment]) -> Rewards:
        """Of all steps of `recorded`, one after the other."""
        return self.box(self.batch(recorded))

    def batch(self, recorded: Sequence[Episode | Segment]) -> dict[str, Array]:
        """Steps as a program gets them."""
        joined = {
            "obs": np.concatenate([np.asarray(one.obs[:-1]) for one in recorded]),
            "action": np.concatenate([np.asarray(one.action) for one in recorded]),
            "next_obs": np.concatenate([np.asarray(one.obs[1:]) for one in recorded]),
        }
        for name in self._factors:
            joined[f"factors.{name}"] = np.concatenate([np.asarray(one.factors[name]) for one in recorded])
        return {name: np.asarray(values, np.float64) for name, values in joined.items()}

    def close(self) -> None:
        """End its worker."""
        self.box.close()


def text_of(path: Path, where: str) -> str:
    """The program in a file of the user's."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: {path} cannot be read ({error}).") from error
