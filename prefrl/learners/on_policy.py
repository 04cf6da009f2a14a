"""PPO on the learned reward: SB3 collects and updates, the rollout buffer relabels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from prefrl.errors import ConfigError
from prefrl.learners.options import PPOOptions
from prefrl.learners.policies import SB3Policy
from prefrl.relabel import RelabelDictRolloutBuffer, Relabeller, RelabelRolloutBuffer
from prefrl.rollout.recording import PolicyOutputs
from prefrl.specs import LearnerContext
from prefrl.timing import Clock
from prefrl.zoo import schedule_of


class RunPPO(PPO):
    """SB3's PPO whose schedules, clocks and episode records belong to the whole run, however often `learn` is entered."""

    run_steps: int
    relabel: Relabeller | None = None
    clock: Clock | None = None
    tick: Callable[[int], None] | None = None
    _begun: float | None = None

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        result = super()._setup_learn(*args, **kwargs)
        self._begun = self.start_time if self._begun is None else self._begun
        self.start_time, self._num_timesteps_at_start = self._begun, 0
        return result

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        super()._update_current_progress_remaining(num_timesteps, self.run_steps)

    def dump_logs(self, iteration: int = 0) -> None:
        if self.relabel is not None and self.relabel.ended:
            true = np.mean([episode["true"] for episode in self.relabel.ended])
            self.logger.record("rollout/ep_true_rew_mean", true)
        super().dump_logs(self.num_timesteps // (self.n_steps * self.n_envs))

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> bool:
        assert self.clock is not None
        assert self.tick is not None
        with self.clock.phase("collect"):
            collected = super().collect_rollouts(*args, **kwargs)
        self.tick(self.num_timesteps)
        return collected

    def train(self) -> None:
        assert self.clock is not None
        with self.clock.phase("learn"):
            super().train()

    def _excluded_save_params(self) -> list[str]:
        ours = ["relabel", "clock", "tick", "rollout_buffer_class", "rollout_buffer_kwargs", "_begun"]
        return [*super()._excluded_save_params(), *ours]


class PPOLearner:
    """The learner handle of PPO."""

    def __init__(self, options: PPOOptions, context: LearnerContext) -> None:
        self._recording = context.env.recording
        self._relabel: Relabeller = context.relabel
        self._normalize = (
            VecNormalize(context.env, norm_obs=True, norm_reward=False, gamma=options.gamma)
            if context.normalize
            else None
        )
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
        self._model.run_steps = context.total_steps
        self._model.relabel, self._model.clock, self._model.tick = self._relabel, context.clock, context.tick
        self._model.ep_info_buffer = self._relabel.ended
        self._model.ep_success_buffer = deque(maxlen=options.stats_window_size)
        self._model.set_logger(configure(str(context.folder), ["csv", "json"]))
        self.policy = SB3Policy(self._model, self._normalize)

    @property
    def steps(self) -> int:
        return int(self._model.num_timesteps)

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
        return {"parameters": self._model.get_parameters(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._model.set_parameters(state["parameters"])
        self._model.num_timesteps = state["steps"]


def _constructor(options: PPOOptions, n_envs: int) -> dict[str, Any]:
    """SB3's own arguments; a batch that the rollout does not divide into is refused rather than truncated."""
    values = options.model_dump(exclude={"policy"})
    if (options.n_steps * n_envs) % options.batch_size:
        raise ConfigError(
            f"algo.batch_size: {options.batch_size} does not divide the rollout of n_steps * n_envs = "
            f"{options.n_steps} * {n_envs} = {options.n_steps * n_envs}; choose a divisor of it."
        )
    for name in ("learning_rate", "clip_range", "clip_range_vf"):
        values[name] = None if values[name] is None else schedule_of(values[name])
    kwargs = dict(options.policy_kwargs)
    if isinstance(kwargs.get("activation_fn"), str):
        kwargs["activation_fn"] = getattr(nn, kwargs["activation_fn"])
    values["policy_kwargs"] = kwargs
    return values
