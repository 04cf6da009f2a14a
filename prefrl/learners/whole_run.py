"""What every SB3 algorithm of ours shares: schedules, clocks and episode records belong to the whole run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from prefrl.options import Options
from prefrl.relabel import Relabeller
from prefrl.specs import LearnerContext
from prefrl.timing import Clock
from prefrl.zoo import schedule_of

if TYPE_CHECKING:
    Mixed = BaseAlgorithm
else:
    Mixed = object


class WholeRun(Mixed):
    """Mixed into an SB3 algorithm: however often `learn` is entered, it is one run."""

    run_steps: int
    relabel: Relabeller
    clock: Clock
    tick: Callable[[int], None]
    _begun: float | None = None

    def join(self, context: LearnerContext) -> None:
        """Take part in a run."""
        self.run_steps = context.total_steps
        self.relabel, self.clock, self.tick = context.relabel, context.clock, context.tick
        self.ep_info_buffer = self.relabel.ended
        self.ep_success_buffer = deque(maxlen=self._stats_window_size)
        self.set_logger(configure(str(context.folder), ["csv", "json"]))

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        result = super()._setup_learn(*args, **kwargs)
        self._begun = self.start_time if self._begun is None else self._begun
        self.start_time, self._num_timesteps_at_start = self._begun, 0
        return result

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        super()._update_current_progress_remaining(num_timesteps, self.run_steps)

    def record_true_return(self) -> None:
        """Beside `rollout/ep_rew_mean`, which is the learned return."""
        if self.relabel.ended:
            true = np.mean([episode["true"] for episode in self.relabel.ended])
            self.logger.record("rollout/ep_true_rew_mean", true)

    def _excluded_save_params(self) -> list[str]:
        buffers = ["rollout_buffer_class", "rollout_buffer_kwargs", "replay_buffer_class", "replay_buffer_kwargs"]
        return [*super()._excluded_save_params(), "relabel", "clock", "tick", "_begun", *buffers]


def normalized(context: LearnerContext, gamma: float) -> VecNormalize | None:
    """Around the recording, so that what is recorded stays raw; of observations only: rewards are scaled in relabel."""
    return VecNormalize(context.env, norm_obs=True, norm_reward=False, gamma=gamma) if context.normalize else None


def arguments(options: Options, exclude: set[str], schedules: tuple[str, ...] = ("learning_rate",)) -> dict[str, Any]:
    """SB3's own arguments, with schedules and activations as it takes them."""
    values = options.model_dump(exclude=exclude)
    for name in schedules:
        values[name] = None if values[name] is None else schedule_of(values[name])
    activation = values["policy_kwargs"].get("activation_fn")
    if isinstance(activation, str):
        values["policy_kwargs"] = {**values["policy_kwargs"], "activation_fn": getattr(nn, activation)}
    return values
