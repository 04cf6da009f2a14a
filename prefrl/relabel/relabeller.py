"""Recorded steps in, the learned reward of each out; the learned return of each episode is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from prefrl.checkpoints import restore, state_of
from prefrl.relabel.restraint import Restraint
from prefrl.relabel.scale import RewardScale
from prefrl.rollout.recording import Recording, Track
from prefrl.specs import Bonus, Needs, RewardModel
from prefrl.timing import Clock
from prefrl.types import Array, Channels, Episode


@dataclass(frozen=True, slots=True)
class Part:
    """Steps [start, stop) of a recorded episode."""

    track: Track
    start: int
    stop: int


class Replay(Protocol):
    """A buffer whose rewards outlive a fit."""

    def label(self) -> None: ...
    def refresh(self) -> None: ...
    def interrupt(self) -> None: ...
    def tracks(self) -> Iterator[Track]: ...
    def state_dict(self) -> Mapping[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any], tracks: Mapping[str, Track]) -> None: ...


class Relabeller:
    """Turns what was recorded into the scalar the learner sees, and keeps the learned return of each episode.

    Before the first fit of a model that is fitted at all, the learned reward is zero.
    """

    def __init__(
        self,
        reward: RewardModel,
        needs: Needs,
        recording: Recording,
        *,
        gamma: float,
        scale: bool,
        bonuses: Sequence[Bonus],
        clock: Clock,
        restraint: Restraint | None = None,
    ) -> None:
        self.reward, self.needs, self.recording = reward, needs, recording
        self.restraint = restraint
        self.replays: list[Replay] = []
        self.handovers = 0  # how often what was learned from came to be another model's reward than before
        self._own = reward  # the run's model, also while another one is in use
        self._refreshed = reward.version
        self._bonuses, self._clock = bonuses, clock
        self._gamma = gamma
        self._scale = RewardScale(gamma, recording.n_envs) if scale else None
        self._learned = np.zeros(recording.n_envs)  # returns of the episodes in progress
        self._true = np.zeros(recording.n_envs)
        self._length = np.zeros(recording.n_envs, int)
        self.ended: deque[dict[str, float]] = deque(maxlen=100)  # SB3's episode record: r, l, t and the true return

    @property
    def version(self) -> int:
        """Of the run's reward model: what replay buffers must not be behind."""
        return self._own.version

    @property
    def scales(self) -> bool:
        """Whether rewards are put on a scale."""
        return self._scale is not None

    # --- rewards of recorded steps ---------------------------------------------------------------------------------

    def rollout(self, shape: tuple[int, int], dones: Array) -> Array:
        """(n_steps, n_envs) float32 scaled rewards of the steps recorded since the last call."""
        rewards = self.recorded(shape)
        return rewards if self._scale is None else np.asarray(self._scale.apply(rewards, dones), np.float32)

    def recorded(self, shape: tuple[int, int]) -> Array:
        """(n_steps, n_envs) float32 rewards, unscaled, of the steps recorded since the last call."""
        with self._clock.phase("relabel"):
            parts = [Part(track, first, track.length) for track, first in self.recording.fresh()]
            rewards = np.empty(shape, np.float32)  # as SB3's own VecEnvs return them
            filled = np.zeros(shape[1], int)
            for part, values in zip(parts, self.rewards(parts), strict=True):
                env = part.track.env_index
                rewards[filled[env] : filled[env] + len(values), env] = values
                filled[env] += len(values)
                self._account(part, values)
            assert (filled == shape[0]).all(), "the recording and the buffer disagree"
            return rewards

    def skip(self) -> None:
        """Steps recorded so far need no reward: nobody learns from them."""
        for track, first in self.recording.fresh():
            self._account(Part(track, first, track.length), np.zeros(track.length - first))

    def rewards(self, parts: Sequence[Part]) -> list[Array]:
        """Learned reward of each step of `parts`; a model that is not markov is shown each episode from its beginning."""
        firsts = [part.start if self.reward.markov else 0 for part in parts]
        episodes = [
            self._seen_by_model(part.track.view(first, part.stop)) for part, first in zip(parts, firsts, strict=True)
        ]
        pieces = np.split(self._combined(episodes), np.cumsum([len(episode) for episode in episodes])[:-1])
        return [piece[part.start - first :] for part, first, piece in zip(parts, firsts, pieces, strict=True)]

    def _combined(self, episodes: Sequence[Episode]) -> Array:
        """The mean over members, plus the bonuses, less what departing from the initial policy costs."""
        channels: Channels = self.reward.rewards(episodes)
        reward = np.asarray(channels["reward"], float)
        fitted = self.reward.version > 0 or not self.reward.scorers()
        if not fitted:
            channels = {name: np.zeros_like(values) for name, values in channels.items()}
            reward = np.zeros_like(reward)
        for bonus in self._bonuses:
            reward = reward + bonus.rewards(episodes, channels, self.recording.steps)
        if self.restraint is not None and fitted and self.reward is self._own:
            reward = reward - self.restraint.costs(episodes)
        return reward

    def _seen_by_model(self, episode: Episode) -> Episode:
        """Without what the reward model did not declare."""
        factors: Channels = {}
        if self.needs & {"factors", "privileged_factors"}:
            known = self.recording.env.factors
            open_to_all = "privileged_factors" in self.needs
            factors = {n: a for n, a in episode.factors.items() if open_to_all or not known[n].privileged}
        true_reward = episode.true_reward if "true_reward" in self.needs else None
        return replace(episode, true_reward=true_reward, factors=factors, cost={}, states=None)

    def _account(self, part: Part, reward: Array) -> None:
        track, env = part.track, part.track.env_index
        self._learned[env] += float(reward.sum())
        self._true[env] += float(np.sum(track.numbers_of("true_reward")[part.start : part.stop]))
        self._length[env] += part.stop - part.start
        if track.done and part.stop == track.length:
            ended = {
                "r": self._learned[env],
                "l": int(self._length[env]),
                "t": self._clock.elapsed(),
                "true": self._true[env],
            }
            self.ended.append(ended)
            self._learned[env] = self._true[env] = self._length[env] = 0

    # --- one scale -------------------------------------------------------------------------------------------------

    def scaled(self, rewards: Array) -> Array:
        """Rewards of any shape, float32, on the current scale."""
        return np.asarray(rewards if self._scale is None else self._scale.scaled(rewards), np.float32)

    def observe(self, rewards: Array, dones: Array) -> None:
        """The learner may sample these consecutive steps (n_steps, n_envs) from now on."""
        if self._scale is not None:
            self._scale.observe(rewards, dones)

    def restart_scale(self, rewards: Array, dones: Array) -> None:
        """These consecutive steps (n_steps, n_envs) are all there is to sample."""
        if self._scale is not None and len(rewards):
            self._scale.restart(rewards, dones)

    # --- another model ---------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """The reward model was fitted: what replay buffers hold is rewritten."""
        if self._refreshed == 0 < self.version:
            self.handovers += 1
        self._refreshed = self.version
        with self._clock.phase("relabel"):
            for replay in self.replays:
                replay.refresh()

    @contextmanager
    def using(self, reward: RewardModel) -> Iterator[None]:
        """Inside, rewards come from another model, on a scale of its own; replay buffers follow.

        What was labelled inside keeps its labels afterwards until the run's own model has been fitted.
        """
        scale = self._scale
        self.reward = reward
        self._scale = scale and RewardScale(self._gamma, self.recording.n_envs)
        try:
            self.refresh()
            yield
            for replay in self.replays:
                replay.label()
        finally:
            self.reward, self._scale = self._own, scale
        if self.version:
            self.handovers += 1
            self.refresh()

    def interrupt(self) -> None:
        """All environments are about to be reset: the episodes in progress end without being counted."""
        for returns in (self._learned, self._true, self._length):
            returns[:] = 0
        for replay in self.replays:
            replay.interrupt()

    def tracks(self) -> Iterator[Track]:
        """Episodes that replay buffers still need; a checkpoint holds them beside `state_dict`."""
        for replay in self.replays:
            yield from replay.tracks()

    def state_dict(self) -> Mapping[str, Any]:
        return {
            "scale": self._scale.state_dict() if self._scale is not None else None,
            "returns": (self._learned, self._true, self._length),
            "ended": list(self.ended),
            "replays": [replay.state_dict() for replay in self.replays],
            "bonuses": [state_of(bonus) for bonus in self._bonuses],
            "handovers": (self.handovers, self._refreshed),
            "restraint": self.restraint.state_dict() if self.restraint is not None else None,
        }

    def load_state_dict(self, state: Mapping[str, Any], tracks: Mapping[str, Track]) -> None:
        """Once the learner is there; `tracks` by id: those of the recording and of `tracks()`."""
        if self._scale is not None:
            self._scale.load_state_dict(state["scale"])
        self._learned, self._true, self._length = (returns.copy() for returns in state["returns"])
        self.ended.clear()  # in place: it is SB3's too
        self.ended.extend(state["ended"])
        for replay, saved in zip(self.replays, state["replays"], strict=True):
            replay.load_state_dict(saved, tracks)
        for bonus, saved in zip(self._bonuses, state["bonuses"], strict=True):
            restore(bonus, saved)
        self.handovers, self._refreshed = state["handovers"]
        if self.restraint is not None:
            self.restraint.load_state_dict(state["restraint"])
