"""Recorded steps in, the weighted sum of their ranked factors out: what HERON is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prefrl.specs import BuildContext, Scorer
from prefrl.types import Array, Channels, Episode, Item
from prefrl_heron.options import SumOptions
from prefrl_heron.ranking import Floats, clip_of, ranked, spread_of


class WeightedSum:
    """R = sum over levels l of alpha^l * z_l, z the standardised factor, or the sum of a level's (HERON's R_lin).

    Factors are standardised once, on uniformly random actions before the run: a reward whose scale followed the policy would
    be another one at every rollout, and an off-policy learner's replay would hold them all.
    """

    markov = True
    version = 1

    def __init__(self, options: SumOptions, context: BuildContext) -> None:
        where = f"{context.name}.model heron_sum"
        self._ranking = ranked(options, context.env, where)
        self._weights = options.alpha ** np.arange(len(options.ranking))
        steps = random_steps(context, options.steps, self._ranking.names) * self._ranking.signs
        self._spread = spread_of(steps, self._ranking.names, where, "random steps")
        self._mean = steps.mean(axis=0)

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        return {"reward": np.concatenate([self._of(episode.factors) for episode in episodes])}

    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        return np.array([[self._of(clip_of(item).factors).sum() for item in items]])

    def _of(self, channels: Mapping[str, Array]) -> Floats:
        values = self._ranking.read(channels) - self._mean
        return np.asarray(self._ranking.summed(values, self._spread) @ self._weights)

    def observe(self, episodes: Sequence[Episode]) -> None:
        """Standardised once, at the start."""

    def collate(self, items: Sequence[Item]) -> None:
        """Nothing is fitted."""

    def scorers(self) -> Sequence[Scorer]:
        return ()

    def reset(self) -> None:
        """No weights."""

    def fitted(self) -> None:
        """Never fitted."""

    def state_dict(self) -> Mapping[str, Any]:
        return {"mean": self._mean, "spread": self._spread}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._mean, self._spread = np.asarray(state["mean"]), np.asarray(state["spread"])


def random_steps(context: BuildContext, n: int, names: Sequence[str]) -> Floats:
    """(n, F) factors of steps with uniformly random actions, in a fresh environment that is closed afterwards."""
    assert context.make_env is not None, "a reward model's builder is given one"
    env = context.make_env()
    rows = np.empty((n, len(names)))
    try:
        seed = int(context.rng("random").integers(2**31))
        env.action_space.seed(seed)
        env.reset(seed=seed)
        for row in rows:
            _, _, terminated, truncated, info = env.step(env.action_space.sample())
            values = info.get("factors", info)
            row[:] = [float(values.get(name, np.nan)) for name in names]
            if terminated or truncated:
                env.reset()
    finally:
        env.close()
    return rows
