"""Queries about recorded clips in, the same about clips that show what came of them out (RLHS; Liang et al. 2025, 2501.08617).

Each clip is put back into the simulator where it ended and goes on for some steps under the policy that learns. Whoever
judges it then judges the outcome, not the promise; the answer is stored about the clip as it was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np

from prefrl.errors import ConfigError, DataError
from prefrl.rollout.environments import STATE_SPEC, flat, mujoco_of
from prefrl.rollout.recording import KEY, RecordedEnv, Track
from prefrl.specs import Policy
from prefrl.types import Array, Candidate, EnvInfo, Episode, Item, Query, Segment


class Hindsight:
    """Continues clips by up to `steps`."""

    def __init__(self, steps: int, make_env: Callable[[], Any], env: EnvInfo, where: str) -> None:
        self._steps, self._where = steps, where
        self._simulator = Simulator(make_env, env)
        if not env.has_states:
            raise ConfigError(
                f"{where}.hindsight: clips of {env.id} cannot be continued, because no MuJoCo states are recorded; set it to 0."
            )

    def query(self, query: Query, policy: Policy | None) -> Query:
        """The same question, by its id, about clips that go on."""
        if policy is None:
            raise ConfigError(f"{self._where}.hindsight: nothing learns here whose policy could go on; set it to 0.")
        return replace(query, items=tuple(self._item(item, policy) for item in query.items))

    def _item(self, item: Item, policy: Policy) -> Item:
        if isinstance(item, Candidate) and item.clip is not None:
            return replace(item, clip=self._continued(item.clip, policy))
        return self._continued(item, policy) if isinstance(item, Segment) else item

    def _continued(self, clip: Segment, policy: Policy) -> Segment:
        """A clip that reached a terminal state has no future."""
        if clip.terminated or clip.states is None:
            return clip
        after = self._simulator.roll(np.asarray(clip.states[-1]), np.asarray(clip.obs[-1]), policy, self._steps)
        return Segment.of(
            np.concatenate([clip.obs, after.obs[1:]]),
            np.concatenate([clip.action, after.action]),
            true_reward=_joined(clip.true_reward, after.true_reward),
            cost=_channels(clip.cost, after.cost),
            factors=_channels(clip.factors, after.factors),
            states=np.concatenate([clip.states, np.asarray(after.states)[1:]]),
            terminated=after.terminated, dt=clip.dt, env_id=clip.env_id, episode=clip.episode, start=clip.start,
        )  # fmt: skip


class Simulator:
    """An environment that can be put into a recorded state; made when it is first needed."""

    def __init__(self, make_env: Callable[[], Any], env: EnvInfo) -> None:
        self._make, self._info = make_env, env
        self._env: RecordedEnv | None = None

    def from_the_beginning(self, clip: Segment, policy: Policy, steps: int) -> Segment:
        """What `policy` does in `steps` from where `clip` begins."""
        if clip.states is None:
            raise DataError(f"clip {clip.id[:12]} was recorded without states, so nothing can be simulated from it.")
        done = self.roll(np.asarray(clip.states[0]), np.asarray(clip.obs[0]), policy, steps)
        return Segment.of(
            done.obs, done.action, true_reward=done.true_reward, cost=done.cost, factors=done.factors, states=done.states,
            terminated=done.terminated, env_id=clip.env_id,
        )  # fmt: skip

    def roll(self, state: Array, obs: Array, policy: Policy, steps: int) -> Episode:
        """At most `steps` of `policy` from a recorded state and observation."""
        env = self._started(state)
        track = Track("simulated", self._info.id, 0, 0)
        track.reset(obs, state)
        for _ in range(steps):
            action = policy.act(obs[None])[0]
            reached, _, terminated, truncated, info = env.step(action)
            obs = flat(env.observation_space, reached)
            track.add(obs, info[KEY])
            track.terminated = terminated
            if terminated or truncated:
                break
        return track.view()

    def _started(self, state: Array) -> RecordedEnv:
        """The environment in a recorded state; what the task draws at a reset is part of that state or stays as drawn."""
        if self._env is None:
            self._env = RecordedEnv(self._make(), self._info)
        self._env.reset(seed=0)
        found = mujoco_of(self._env)
        assert found is not None, "a task that records states has a model"
        model, data = found
        mujoco.mj_setState(model, data, np.asarray(state, np.float64), STATE_SPEC)
        mujoco.mj_forward(model, data)
        return self._env


def _joined(before: Array | None, after: Array | None) -> Array | None:
    return None if before is None or after is None else np.concatenate([before, after])


def _channels(before: Mapping[str, Array], after: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.concatenate([values, after[name]]) for name, values in before.items()}
