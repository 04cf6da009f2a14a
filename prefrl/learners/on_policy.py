"""PPO on the learned reward: SB3 collects and updates, the rollout buffer relabels."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3 import PPO

from prefrl import devices
from prefrl.errors import ConfigError
from prefrl.learners.options import PPOOptions
from prefrl.learners.whole_run import WholeRun, arguments, normalized
from prefrl.policies import SB3Policy
from prefrl.relabel import RelabelDictRolloutBuffer, Relabeller, RelabelRolloutBuffer
from prefrl.rollout.recording import PolicyOutputs
from prefrl.specs import LearnerContext

log = logging.getLogger(__name__)


class RunPPO(WholeRun, PPO):
    """SB3's PPO as part of a run."""

    def dump_logs(self, iteration: int = 0) -> None:
        self.record_true_return()
        super().dump_logs(self.num_timesteps // (self.n_steps * self.n_envs))

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> bool:
        with self.clock.phase("collect"):
            collected = super().collect_rollouts(*args, **kwargs)
        self.tick(self.num_timesteps)
        return collected

    def _maybe_recommend_cpu(self, mlp_class_name: str = "ActorCriticPolicy") -> None:
        """SB3's place for it; its own words name the argument of a constructor."""
        if self.device.type != "cpu" and self.policy_class.__name__ == mlp_class_name:
            log.warning(devices.PPO_ON_GPU)

    def train(self) -> None:
        with self.clock.phase("learn"):
            super().train()


class PPOLearner:
    """The learner handle of PPO."""

    def __init__(self, options: PPOOptions, context: LearnerContext) -> None:
        self._recording = context.env.recording
        self._relabel: Relabeller = context.relabel
        self._normalize = normalized(context, options.gamma)
        env = context.env if self._normalize is None else self._normalize
        dictionary = isinstance(env.observation_space, spaces.Dict)
        self._model = RunPPO(
            options.policy if not dictionary else "MultiInputPolicy",
            env,
            **_constructor(options, env.num_envs),
            rollout_buffer_class=RelabelDictRolloutBuffer if dictionary else RelabelRolloutBuffer,
            rollout_buffer_kwargs={"relabel": self._relabel},
            seed=context.seed,
            device=context.device,
        )
        self._model.join(context)
        self.policy = SB3Policy(self._model, self._normalize)
        if self._relabel.restraint is not None:
            self._relabel.restraint.hold(self.policy, recorded=True)

    @property
    def steps(self) -> int:
        return int(self._model.num_timesteps)

    @property
    def updates(self) -> int:
        """Gradient steps taken so far, at most: SB3 counts epochs, and `target_kl` may cut one short."""
        model = self._model
        return model._n_updates * (model.n_steps * model.n_envs // model.batch_size)

    def advance(self, steps: int) -> None:
        if steps > 0:
            self._model.learn(steps, callback=PolicyOutputs(self._recording), reset_num_timesteps=False)

    def explore(self, steps: int) -> None:
        env = self._model.get_env()
        assert env is not None
        if self._model._last_obs is None:
            self._model._last_obs = env.reset()  # type: ignore[assignment]  # SB3 annotates fewer kinds than it keeps
        env.action_space.seed(self._model.seed)
        for _ in range(-(-steps // env.num_envs)):
            actions = np.stack([env.action_space.sample() for _ in range(env.num_envs)])
            self._model._last_obs, _, dones, _ = env.step(actions)  # type: ignore[assignment]  # as above
            self._model._last_episode_starts = dones
            self._model.num_timesteps += env.num_envs
        self._relabel.skip()

    def log(self, values: Mapping[str, float]) -> None:
        """Scalars for the next line of SB3's logger."""
        for name, value in values.items():
            self._model.logger.record(name, value)

    def save(self, path: Path) -> None:
        self.policy.save(path)

    def close(self) -> None:
        self._model.logger.close()

    def state_dict(self) -> Mapping[str, Any]:
        return self._model.run_state()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._model.load_run_state(state)


def _constructor(options: PPOOptions, n_envs: int) -> dict[str, Any]:
    """SB3's own arguments; a batch that the rollout does not divide into is refused rather than truncated."""
    if (options.n_steps * n_envs) % options.batch_size:
        raise ConfigError(
            f"algo.batch_size: {options.batch_size} does not divide the rollout of n_steps * n_envs = "
            f"{options.n_steps} * {n_envs} = {options.n_steps * n_envs}; choose a divisor of it."
        )
    return arguments(options, exclude={"policy"}, schedules=("learning_rate", "clip_range", "clip_range_vf"))
