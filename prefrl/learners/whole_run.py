"""What every SB3 algorithm of ours shares: schedules, clocks and episode records belong to the whole run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import CSVOutputFormat, Logger, configure
from stable_baselines3.common.save_util import recursive_getattr
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from prefrl.options import Options
from prefrl.policies import moments, set_moments
from prefrl.relabel import Relabeller
from prefrl.specs import LearnerContext
from prefrl.timing import Clock
from prefrl.zoo import schedule_of

if TYPE_CHECKING:
    Mixed = BaseAlgorithm
else:
    Mixed = object


COUNTS = ("num_timesteps", "_n_updates", "_episode_num", "_current_progress_remaining", "_total_timesteps")
EPISODE = ("_last_obs", "_last_episode_starts", "_last_original_obs")


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

    def run_state(self) -> dict[str, Any]:
        """All that the next step depends on but the environments; "episode" belongs to the episodes in progress.

        SB3's own zip leaves out the observations acted on next, the schedules' and the logger's place, and the generators
        of the action space.
        """
        parameters: Any = self.get_parameters()
        for name in self._get_torch_save_params()[1]:  # tensors that are no module, such as SAC's log_ent_coef
            parameters[name] = recursive_getattr(self, name).detach()
        return {
            "parameters": parameters,
            "counts": {name: getattr(self, name) for name in COUNTS if hasattr(self, name)},
            "actions": self.action_space.np_random.bit_generator.state,
            "successes": list(self.ep_success_buffer or ()),
            "episode": {name: getattr(self, name) for name in EPISODE},
            "normalize": _normalize_state(self.get_vec_normalize_env()),
            "log": log_state(self.logger),
        }

    def load_run_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `run_state()`; without its "episode" the environments are reset first."""
        tensors = self._get_torch_save_params()[1]
        modules = {name: saved for name, saved in state["parameters"].items() if name not in tensors}
        self.set_parameters(modules, device=self.device)
        for name in tensors:
            recursive_getattr(self, name).data.copy_(state["parameters"][name])
        for name, value in {**state["counts"], **(state["episode"] or {})}.items():
            setattr(self, name, value)
        self.action_space.np_random.bit_generator.state = state["actions"]
        assert self.ep_success_buffer is not None
        self.ep_success_buffer.extend(state["successes"])
        if (normalize := self.get_vec_normalize_env()) is not None:
            set_moments(normalize.obs_rms, state["normalize"]["observations"])
            normalize.old_obs = state["normalize"]["old"]
        load_log_state(self.logger, state["log"])

    def _excluded_save_params(self) -> list[str]:
        buffers = ["rollout_buffer_class", "rollout_buffer_kwargs", "replay_buffer_class", "replay_buffer_kwargs"]
        return [*super()._excluded_save_params(), "relabel", "clock", "tick", "_begun", *buffers]


def normalized(context: LearnerContext, gamma: float) -> VecNormalize | None:
    """Around the recording, so that what is recorded stays raw; of observations only: rewards are scaled in relabel."""
    return VecNormalize(context.env, norm_obs=True, norm_reward=False, gamma=gamma) if context.normalize else None


def _normalize_state(normalize: VecNormalize | None) -> dict[str, Any] | None:
    """Of observations, the only thing it normalises here."""
    return None if normalize is None else {"observations": moments(normalize.obs_rms), "old": normalize.old_obs}


def log_state(logger: Logger) -> dict[str, Any]:
    """What waits to be written, and what the files hold so far."""
    files = {type(form).__name__: form for form in logger.output_formats}
    for form in files.values():
        if not form.file.closed:  # type: ignore[attr-defined]  # ours are the two that write files
            form.file.flush()  # type: ignore[attr-defined]
    return {
        "values": dict(logger.name_to_value),
        "counts": dict(logger.name_to_count),
        "excluded": dict(logger.name_to_excluded),
        "files": {name: Path(form.file.name).read_text() for name, form in files.items()},  # type: ignore[attr-defined]
    }


def load_log_state(logger: Logger, state: Mapping[str, Any]) -> None:
    """Files just opened, and empty, hold again what they held."""
    logger.name_to_value.update(state["values"])
    logger.name_to_count.update(state["counts"])
    logger.name_to_excluded.update(state["excluded"])
    for form in logger.output_formats:
        text = state["files"][type(form).__name__]
        form.file.write(text)  # type: ignore[attr-defined]
        form.file.flush()  # type: ignore[attr-defined]
        if isinstance(form, CSVOutputFormat) and text:
            form.keys = text.split("\n", 1)[0].split(form.separator)


def arguments(options: Options, exclude: set[str], schedules: tuple[str, ...] = ("learning_rate",)) -> dict[str, Any]:
    """SB3's own arguments, with schedules and activations as it takes them."""
    values = options.model_dump(exclude=exclude)
    for name in schedules:
        values[name] = None if values[name] is None else schedule_of(values[name])
    activation = values["policy_kwargs"].get("activation_fn")
    if isinstance(activation, str):
        values["policy_kwargs"] = {**values["policy_kwargs"], "activation_fn": getattr(nn, activation)}
    return values
