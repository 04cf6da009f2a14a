"""Environments that end early in, full-length ones out; and recorded episodes in, how they ended out.

`env.termination: keep` leaves an environment as it is, `absorb` wraps it in `Absorb`, `off` asks it not to terminate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from prefrl.errors import ConfigError
from prefrl.types import Episode

ABSORBED = "absorbed"  # in info and in an episode's extras: the step was spent in a terminal state


class Absorb(gym.Wrapper[Any, Any, Any, Any]):
    """A terminal state lasts until the time limit: same observation and state, zero reward, actions without effect.

    Segments then compare a fall by what it costs, not by how short it made the clip. No step is terminal, so that the
    learner sees only the time limit. While a state lasts, costs and the factors in `motion` are 0, other factors stay.
    """

    def __init__(self, env: gym.Env[Any, Any], motion: Iterable[str] = ()) -> None:
        super().__init__(env)
        limit = env.spec.max_episode_steps if env.spec else None
        if limit is None:
            raise ConfigError("env.termination: absorb needs an environment with a time limit; use keep.")
        self._limit = limit
        self._motion = frozenset(motion)
        self._steps = 0
        self._last: tuple[Any, dict[str, Any]] | None = None

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        self._steps, self._last = 0, None
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self._steps += 1
        late = self._steps >= self._limit
        if self._last is not None:
            obs, info = self._last
            return obs, 0.0, False, late, dict(info)
        obs, reward, terminated, truncated, info = self.env.step(action)
        if terminated:
            self._last = obs, self._stilled(info)
        return obs, reward, False, truncated or late, {**info, ABSORBED: False}

    def _stilled(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """The info of a step in which nothing moves any more."""
        still: dict[str, Any] = {**info, ABSORBED: True}
        if "factors" in info:
            still["factors"] = {n: 0.0 if n in self._motion else value for n, value in info["factors"].items()}
        if "costs" in info:
            still["costs"] = dict.fromkeys(info["costs"], 0.0)
        return still

    def state_dict(self) -> dict[str, Any]:
        """Where in the episode it is, and the terminal state it stays in."""
        return {"steps": self._steps, "last": self._last}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._steps, self._last = state["steps"], state["last"]


@dataclass(frozen=True, slots=True)
class Endings:
    """How episodes ended; they add up."""

    episodes: int = 0
    early: int = 0  # reached a terminal state, whether that ended them or lasted to the time limit
    survived: int = 0  # steps up to the terminal state in those
    absorbed: int = 0  # steps spent in terminal states

    def __add__(self, other: Endings) -> Endings:
        return Endings(
            self.episodes + other.episodes,
            self.early + other.early,
            self.survived + other.survived,
            self.absorbed + other.absorbed,
        )


def endings(episodes: Iterable[Episode]) -> Endings:
    """How these episodes ended; those in progress do not count."""
    total = Endings()
    for episode in episodes:
        if not (episode.terminated or episode.truncated):
            continue
        absorbed = int(np.sum(episode.extras.get(ABSORBED, ())))
        early = episode.terminated or absorbed > 0
        total += Endings(1, int(early), (len(episode) - absorbed) * early, absorbed)
    return total


def sentence(termination: str, ended: Endings) -> str:
    """What the policy did to these episodes, for manifests and reports."""
    start = f"Termination: {termination}. "
    if not ended.episodes:
        return f"{start}No episode has ended."
    if termination == "off":
        return f"{start}Terminal states were switched off; {ended.episodes:,} episodes ran to the time limit."
    if not ended.early:
        return f"{start}None of {ended.episodes:,} episodes reached a terminal state, so it did not matter."
    share = f"{ended.early:,} of {ended.episodes:,} episodes ({ended.early / ended.episodes:.0%})"
    when = f"after {ended.survived / ended.early:,.0f} steps on average"
    if termination == "absorb":
        return (
            f"{start}{share} reached a terminal state, {when}, and stayed in it to the time limit "
            f"({ended.absorbed:,} steps); all clips are of full length."
        )
    return f"{start}{share} ended in a terminal state, {when}; their clips can be shorter than others."
