"""Recorded steps and judged clips in, two numbers per fit out: how much the reward model changed, how new behaviour is to it.

For reports alone; nothing that learns reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from prefrl.rewards.batch import step_inputs
from prefrl.specs import RewardModel
from prefrl.types import Array, Candidate, EnvInfo, Episode, Query, Segment

STEPS = 1_000  # newest ones that are looked at
CLIPS = 100  # judged last, that they are compared with
Floats = NDArray[np.float64]


class Watch:
    """Made before a fit, asked after it."""

    def __init__(self, reward: RewardModel, recent: Sequence[Episode]) -> None:
        self._reward, self._episodes = reward, newest(recent, STEPS)
        self._before = self._rewards() if reward.version else None

    def _rewards(self) -> Floats:
        return np.asarray(self._reward.rewards(self._episodes)["reward"], np.float64)

    def metrics(self, judged: Iterable[Query], env: EnvInfo) -> dict[str, float]:
        """`drift` and `novelty` of the newest steps; what cannot be said yet is left out."""
        found = {}
        if self._before is not None:
            found["drift"] = drift(self._before, self._rewards())
        clips = [steps for query in judged for steps in _steps(query, env)][-CLIPS:]
        recent = [step_inputs(episode.obs[:-1], episode.action, env) for episode in self._episodes]
        if len(clips) > 1 and recent:
            found["novelty"] = novelty(np.concatenate(recent), clips)
        return {name: value for name, value in found.items() if np.isfinite(value)}


def newest(episodes: Sequence[Episode], steps: int) -> list[Episode]:
    """The last of `episodes` that hold `steps` steps together, or all."""
    kept: list[Episode] = []
    held = 0
    for episode in reversed(episodes):
        if held < steps:
            kept.insert(0, episode)
            held += len(episode)
    return kept


def _steps(query: Query, env: EnvInfo) -> Iterable[Array]:
    for item in query.items:
        clip = item.clip if isinstance(item, Candidate) else item
        if isinstance(clip, Segment):
            yield step_inputs(clip.obs[:-1], clip.action, env)


def drift(before: Floats, after: Floats) -> float:
    """1 - correlation of two rewards of the same steps: 0 if scale and offset alone changed, 1 if nothing is in common."""
    if len(before) < 2 or np.ptp(before) == 0 or np.ptp(after) == 0:
        return float("nan")
    return float(1 - np.corrcoef(before, after)[0, 1])


def novelty(recent: Array, clips: Sequence[Array]) -> float:
    """How far recent steps (N, D) are from judged ones, in units of how far judged clips are from one another.

    Median distance to the nearest step of every other clip, inputs divided by their standard deviation over judged steps: 1 is
    as near as clips that were judged, 2 is twice as far, out of what the model was told about.
    """
    scale = np.concatenate(clips).std(0).clip(1e-3)
    ours, theirs = (_thinned(np.concatenate(clips[start::2]) / scale, 2_000) for start in (0, 1))
    known, new = _nearest(_thinned(ours, 500), theirs), _nearest(_thinned(recent / scale, 500), theirs)
    return float(np.median(new) / max(float(np.median(known)), 1e-9))


def _thinned(rows: Array, most: int) -> Array:
    return rows[:: -(-len(rows) // most)]


def _nearest(rows: Array, others: Array) -> Floats:
    """(N,) distance of each row to the nearest of `others`."""
    squares = (rows**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * rows @ others.T
    return np.asarray(np.sqrt(squares.clip(0).min(1)), np.float64)
