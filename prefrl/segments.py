"""Recorded episodes in, segments out: a pool of (episode, start, length) indices that copies only what is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prefrl.errors import RunError
from prefrl.types import Episode, Segment


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Where one segment would be cut: steps [start, start + length) of `episode`."""

    episode: Episode
    start: int
    length: int


def cut(episode: Episode, start: int, length: int) -> Segment:
    """Copy steps [start, start + length) to the host; the id is the hash of observations and actions."""
    stop = start + length
    steps = slice(start, stop)

    def copied(array: Any, where: slice) -> Any:
        return None if array is None else np.array(array[where])

    return Segment.of(
        copied(episode.obs, slice(start, stop + 1)),
        copied(episode.action, steps),
        true_reward=copied(episode.true_reward, steps),
        policy_action=copied(episode.policy_action, steps),
        log_prob=copied(episode.log_prob, steps),
        cost={name: copied(a, steps) for name, a in episode.cost.items()},
        factors={name: copied(a, steps) for name, a in episode.factors.items()},
        states=copied(episode.states, slice(start, stop + 1)),
        terminated=episode.terminated and stop == len(episode),
        dt=episode.dt,
        env_id=episode.env_id,
        episode=episode.id,
        start=start,
        extras={name: copied(a, steps) for name, a in episode.extras.items()},
    )


class SegmentPool:
    """Draws segments uniformly over all valid starts; they never cross a reset.

    An ended episode shorter than the length counts as one short segment, so that tasks with terminal states work.
    `episodes` are views of what is recorded so far, oldest first; `steps` is the run's step count now and `stride` how
    many steps of the run pass per step of an episode (the number of environments).
    """

    def __init__(self, episodes: Sequence[Episode], steps: int, stride: int) -> None:
        self._episodes, self._steps, self._stride = episodes, steps, stride

    def sample(self, n: int, length: int, rng: np.random.Generator, window: int | None = None) -> Sequence[Cut]:
        """`n` cuts of at most `length` steps, with replacement, from the last `window` steps (all if None)."""
        oldest = 0 if window is None else max(0, self._steps - window)
        firsts, counts = [], []
        for episode in self._episodes:
            first = max(0, -((episode.begin - oldest) // self._stride))
            valid = len(episode) - length - first + 1
            if (
                valid <= 0
                and (episode.terminated or episode.truncated)
                and 0 < len(episode) < length
                and first < len(episode)
            ):
                first, valid = 0, 1
            firsts.append(first)
            counts.append(max(0, valid))
        ends = np.cumsum(counts)
        if not len(ends) or ends[-1] == 0:
            raise RunError(
                f"feedback.segment: nothing recorded so far is {length} steps long; "
                f"shorten the segments or lengthen pretrain.steps."
            )
        draws = rng.integers(ends[-1], size=n)
        which = np.searchsorted(ends, draws, side="right")
        cuts = []
        for draw, i in zip(draws.tolist(), which.tolist(), strict=True):
            start = firsts[i] + draw - (int(ends[i]) - counts[i])
            cuts.append(Cut(self._episodes[i], start, min(length, len(self._episodes[i]) - start)))
        return cuts

    def segment(self, index: Cut) -> Segment:
        """Copy one cut to the host."""
        return cut(index.episode, index.start, index.length)

    def recent(self, n: int) -> Sequence[Episode]:
        """The last `n` episodes that ended, in the order they ended; those in progress while none has."""
        taken = [episode for episode in self._episodes if len(episode)]
        ended = [episode for episode in taken if episode.terminated or episode.truncated]
        ended.sort(key=lambda episode: episode.begin + len(episode) * self._stride)
        return ended[-n:] if ended else taken
