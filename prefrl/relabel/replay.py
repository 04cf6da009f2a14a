"""SB3's replay buffers whose rewards are the learned ones: new rows when they are about to be sampled, all after a fit.

`rewards` holds what the reward model gave, unscaled; the run's scale is applied to what is sampled. Observations, actions,
dones and timeouts are SB3's own and never touched: the reward model reads the recording (raw observations, executed
actions), which a row finds by the episode and step it was recorded as.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from prefrl.errors import StaleRewards
from prefrl.relabel.relabeller import Part, Relabeller
from prefrl.rollout.recording import Track
from prefrl.specs import ReplaySampler
from prefrl.types import Array

CHUNK = 65_536  # steps given to the reward model at once when the whole buffer is rewritten


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rows of one episode: its step t is row number `begin` + t, counted from the first row ever added."""

    track: Track
    begin: int


class RelabelReplayBuffer(ReplayBuffer):
    """Row n (of all ever added) is kept in place n % buffer_size; rows from `_labelled` on have no learned reward yet.

    An episode is kept for as long as one of its rows is.
    """

    def __init__(self, *args: Any, relabel: Relabeller, sampler: ReplaySampler | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._relabel, self._sampler = relabel, sampler
        self._version = relabel.version  # of the reward model that labelled the rows
        self._added = self._labelled = 0
        self._stretches: list[deque[Stretch]] = [deque() for _ in range(self.n_envs)]
        relabel.replays.append(self)

    @property
    def pending(self) -> int:
        """Rows added since the last ones were labelled."""
        return self._added - self._labelled

    def add(self, *args: Any, **kwargs: Any) -> None:
        for stretches, track in zip(self._stretches, self._relabel.recording.stepped, strict=True):
            begin = self._added - (track.length - 1)
            if not stretches or stretches[-1].track is not track:
                stretches.append(Stretch(track, begin))
            assert stretches[-1].begin == begin, "the recording and the replay buffer disagree"
        super().add(*args, **kwargs)
        self._added += 1
        for stretches in self._stretches:
            while stretches[0].begin + stretches[0].track.length <= self._oldest:
                stretches.popleft()
        if self.pending == self.buffer_size:
            self.label()  # the next row overwrites the oldest

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        self.label()
        if self._version != self._relabel.version:
            raise StaleRewards(
                f"The replay buffer holds rewards of version {self._version} of the reward model, which is at version "
                f"{self._relabel.version}: call the relabeller's `refresh` after each fit, before learning on."
            )
        if self._sampler is None:
            return super().sample(batch_size, env=env)
        rng = np.random.default_rng(np.random.randint(2**31))  # SB3's generator, which a checkpoint holds
        rows = self._sampler.rows(self.size(), batch_size, rng)
        return self._get_samples((self._oldest + rows) % self.buffer_size, env=env)

    def _normalize_reward(self, reward: Array, env: VecNormalize | None = None) -> Array:  # type: ignore[override]
        """SB3 calls this on what it samples, before it sums n steps; a method here, because the scale is the run's."""
        return self._relabel.scaled(reward)

    def label(self) -> None:
        """Write the learned reward of rows that have none yet, in one batch."""
        if self.pending:
            places = np.arange(self._labelled, self._added) % self.buffer_size
            self.rewards[places] = self._relabel.recorded((len(places), self.n_envs))
            self._relabel.observe(self.rewards[places], self.dones[places])
            self._labelled = self._added

    def refresh(self) -> None:
        """Rewrite every row with the reward model as it is now."""
        labelled_before = self._labelled
        self.label()
        for chunk in self._chunks(labelled_before):
            rewards = self._relabel.rewards([part for part, _, _ in chunk])
            for (_, places, env), values in zip(chunk, rewards, strict=True):
                self.rewards[places, env] = values
        in_time = np.arange(self._oldest, self._added) % self.buffer_size
        self._relabel.restart_scale(self.rewards[in_time], self.dones[in_time])
        self._version = self._relabel.version

    @property
    def _oldest(self) -> int:
        return max(0, self._added - self.buffer_size)

    def _chunks(self, stop: int) -> Iterator[list[tuple[Part, Array, int]]]:
        """(steps of an episode, their places, environment) of all rows before `stop`, some CHUNK steps at a time."""
        chunk: list[tuple[Part, Array, int]] = []
        steps = 0
        for env, stretches in enumerate(self._stretches):
            for stretch in stretches:
                first = max(self._oldest, stretch.begin)
                last = min(stop, stretch.begin + stretch.track.length)
                if first < last:
                    part = Part(stretch.track, first - stretch.begin, last - stretch.begin)
                    chunk.append((part, np.arange(first, last) % self.buffer_size, env))
                    steps += last - first
                if steps >= CHUNK:
                    yield chunk
                    chunk, steps = [], 0
        if chunk:
            yield chunk

    def interrupt(self) -> None:
        """All environments are about to be reset: the row added last ends its episode as a time limit does."""
        if self._added:
            last = (self._added - 1) % self.buffer_size
            unfinished = self.dones[last] == 0
            self.dones[last, unfinished] = self.timeouts[last, unfinished] = 1

    def tracks(self) -> Iterator[Track]:
        """The recorded episodes that rows come from; a checkpoint holds them beside `state_dict`."""
        for stretches in self._stretches:
            yield from (stretch.track for stretch in stretches)

    def state_dict(self) -> Mapping[str, Any]:
        arrays = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
        return {
            "arrays": {name: _filled(getattr(self, name), self.size()) for name in arrays},
            "counts": (self._added, self._labelled, self._version),
            "stretches": [[(stretch.track.id, stretch.begin) for stretch in row] for row in self._stretches],
        }

    def load_state_dict(self, state: Mapping[str, Any], tracks: Mapping[str, Track]) -> None:
        """`tracks` by id: those that `tracks()` gave when the state was made."""
        for name, saved in state["arrays"].items():
            own = getattr(self, name)
            for key, values in saved.items() if isinstance(saved, Mapping) else [(..., saved)]:
                target = own[key] if isinstance(own, dict) else own
                target[: len(values)] = values
        self._added, self._labelled, self._version = state["counts"]
        self.pos, self.full = self._added % self.buffer_size, self._added >= self.buffer_size
        self._stretches = [deque(Stretch(tracks[id], begin) for id, begin in row) for row in state["stretches"]]


def _filled(array: Any, rows: int) -> Any:
    """Views of the first `rows`; a dictionary of arrays where observations are one."""
    return {key: values[:rows] for key, values in array.items()} if isinstance(array, dict) else array[:rows]


class RelabelNStepReplayBuffer(RelabelReplayBuffer, NStepReplayBuffer):
    """The same with n-step returns, which SB3 sums from the rewards when it samples."""


class RelabelDictReplayBuffer(RelabelReplayBuffer, DictReplayBuffer):  # type: ignore[misc]  # SB3 narrows `sample`
    """The same for Dict observations."""
