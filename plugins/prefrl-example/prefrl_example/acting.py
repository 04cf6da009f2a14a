"""Environments and a learned reward in, a policy out; what is done before, paid beside and drawn from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prefrl.specs import BuildContext, LearnerContext, NoOptions, RunContext
from prefrl.types import Array, Channels, Episode
from prefrl_example.options import BonusOptions, ClimberOptions


class Constant:
    """A policy that always does the same."""

    def __init__(self, action: Array) -> None:
        self.action = action

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """(N, *action_shape) actions for (N, *obs_shape) raw observations."""
        return np.repeat(self.action[None], len(obs), axis=0)

    def log_prob(self, obs: Array, action: Array) -> Array:
        """(N,) 0 for what it does, minus infinity for the rest."""
        same = np.isclose(action, self.action).reshape(len(obs), -1).all(axis=1)
        return np.where(same, 0.0, -np.inf)

    def save(self, path: Path) -> None:
        """One array."""
        with path.open("wb") as file:
            np.savez(file, action=self.action)


class Climber:
    """A learner: it steps `context.env`, which pays 0, and reads the learned reward from `context.relabel`."""

    def __init__(self, options: ClimberOptions, context: LearnerContext) -> None:
        self._options, self._context = options, context
        self._space = context.env.action_space
        self._rng = np.random.default_rng(context.seed)
        self._obs: Array | None = None
        self.policy = Constant((self._space.low + self._space.high) / 2)
        self.steps = self.updates = 0

    def advance(self, steps: int) -> None:
        """Whole rounds, so that many small advances are one long one."""
        target = self.steps + steps
        while self.steps < target:
            now = self.policy.action
            change = self._options.step_size * self._rng.normal(size=now.shape)
            other = np.clip(now + change, self._space.low, self._space.high).astype(now.dtype)
            paid = [self._tried(action) for action in (now, other)]
            self.policy.action = other if paid[1] > paid[0] else now
            self.updates += 1

    def _tried(self, action: Array) -> float:
        """Mean learned reward while it acts."""
        env, n = self._context.env, self._options.rollout
        with self._context.clock.phase("collect"):
            for _ in range(n):
                self._step(Constant(action).act(np.empty(env.num_envs)))
        self._context.tick(self.steps)
        return float(self._context.relabel.recorded((n, env.num_envs)).mean())

    def _step(self, actions: Array) -> None:
        env = self._context.env
        if self._obs is None:
            env.reset()
        self._obs = env.step(actions)[0]
        self.steps += env.num_envs

    def explore(self, steps: int) -> None:
        """Uniformly random actions that nobody learns from."""
        env = self._context.env
        for _ in range(-(-steps // env.num_envs)):
            self._step(self._rng.uniform(self._space.low, self._space.high, (env.num_envs, *self._space.shape)))
        self._context.relabel.skip()

    def log(self, values: Mapping[str, float]) -> None:
        """It keeps no log."""

    def save(self, path: Path) -> None:
        """The policy."""
        self.policy.save(path)

    def close(self) -> None:
        """No file stays open."""

    def state_dict(self) -> Mapping[str, Any]:
        """All that the next round depends on but the environments."""
        counts = (self.steps, self.updates)
        return {"action": self.policy.action, "counts": counts, "obs": self._obs, "rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.policy.action, self._obs = np.array(state["action"]), state["obs"]
        self.steps, self.updates = state["counts"]
        self._rng.bit_generator.state = state["rng"]


class RandomActions:
    """A pretrainer: its steps count as the run's."""

    def __init__(self, options: NoOptions) -> None:
        """Nothing to set."""

    def run(self, context: RunContext, steps: int) -> None:
        """Before the first question."""
        context.learner().explore(steps)


class Motion:
    """A bonus: it is added to the learned reward, and should fade."""

    def __init__(self, options: BonusOptions, context: BuildContext) -> None:
        self._options = options

    def rewards(self, episodes: Sequence[Episode], channels: Channels, step: int) -> Array:
        """(N,) over all steps of the episodes, at `step` of the run."""
        moved = [np.abs(np.diff(episode.obs, axis=0)).reshape(len(episode), -1).mean(axis=1) for episode in episodes]
        return self._options.scale * 0.5 ** (step / self._options.half_life) * np.concatenate(moved)


class Newest:
    """A replay sampler: which rows of a buffer of `size` a batch is made of."""

    def __init__(self, options: NoOptions, context: BuildContext) -> None:
        """Nothing to set."""

    def rows(self, size: int, batch: int, rng: np.random.Generator) -> Array:
        """(batch,) numbers below `size`, 0 being the oldest row."""
        return rng.integers(size // 2, size, batch)
