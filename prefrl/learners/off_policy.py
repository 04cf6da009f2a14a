"""SAC and TD3 on the learned reward: SB3 collects and updates, the replay buffer relabels."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from prefrl.errors import ConfigError
from prefrl.learners.options import OffPolicyOptions, SACOptions, TD3Options
from prefrl.learners.whole_run import WholeRun, arguments, normalized
from prefrl.policies import SB3Policy
from prefrl.relabel import RelabelDictReplayBuffer, Relabeller, RelabelNStepReplayBuffer, RelabelReplayBuffer
from prefrl.rollout.recording import PolicyOutputs
from prefrl.specs import LearnerContext

if TYPE_CHECKING:
    Mixed = OffPolicyAlgorithm
else:
    Mixed = object

OURS = {"policy", "noise_type", "noise_std", "n_steps", "reset_critic", "reset_update"}  # options SB3 does not take


class OffPolicyRun(WholeRun, Mixed):
    """Mixed into SB3's off-policy algorithms: phases of the run's clock, gradient steps counted."""

    updates: int = 0

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> Any:
        with self.clock.phase("collect"):
            collected = super().collect_rollouts(*args, **kwargs)
        self.tick(self.num_timesteps)
        return collected

    def train(self, gradient_steps: int, batch_size: int = 256) -> None:
        self.updates += gradient_steps
        with self.clock.phase("learn"):
            super().train(gradient_steps, batch_size)

    def dump_logs(self) -> None:
        self.record_true_return()
        super().dump_logs()


class RunSAC(OffPolicyRun, SAC):
    """SB3's SAC as part of a run."""


class RunTD3(OffPolicyRun, TD3):
    """SB3's TD3 as part of a run."""


class OffPolicyLearner:
    """The learner handle of SB3's off-policy algorithms."""

    def __init__(self, algorithm: type[RunSAC | RunTD3], options: OffPolicyOptions, context: LearnerContext) -> None:
        _check(options, context)
        self._options = options
        self._recording = context.env.recording
        self._relabel: Relabeller = context.relabel
        self._normalize = normalized(context, options.gamma)
        env = context.env if self._normalize is None else self._normalize
        dictionary = isinstance(env.observation_space, spaces.Dict)
        values = arguments(options, exclude=OURS)
        if options.gradient_steps is None:
            values["gradient_steps"] = (
                1 if env.num_envs == 1 else -1
            )  # updates = steps: SB3's 1 trains n_envs times less
        self._model = algorithm(
            options.policy if not dictionary else "MultiInputPolicy",
            env,
            **values,
            action_noise=_noise(options, env.action_space),
            **_buffer(options, context, dictionary=dictionary),
            seed=context.seed,
            device=context.device,
        )
        self._model.join(context)
        self.policy = SB3Policy(self._model, self._normalize)
        self._handovers = self._relabel.handovers

    @property
    def steps(self) -> int:
        return int(self._model.num_timesteps)

    @property
    def updates(self) -> int:
        """Gradient steps taken so far."""
        return self._model.updates

    def advance(self, steps: int) -> None:
        if self._handovers != self._relabel.handovers:
            self._handovers = self._relabel.handovers
            if self._options.reset_critic and self.updates:
                self._forget_values()
        if steps > 0:
            self._learn(steps)

    def explore(self, steps: int) -> None:
        own = self._model.learning_starts
        self._model.learning_starts = sys.maxsize  # until then SB3 acts at random and does not train
        self._learn(steps)
        self._model.learning_starts = own

    def _learn(self, steps: int) -> None:
        self._model.learn(steps, callback=PolicyOutputs(self._recording), reset_num_timesteps=False)

    def _forget_values(self) -> None:
        """Fresh critics and targets, the policy as it is: they valued another reward (Lee et al. 2021, PEBBLE, appendix B)."""
        model = self._model
        policy: Any = model.policy
        fresh: Any = model.policy_class(
            model.observation_space,
            model.action_space,
            model.lr_schedule,
            **model.policy_kwargs,
        ).to(model.device)
        shared = "features_extractor." if getattr(policy, "share_features_extractor", False) else None
        weights = {k: v for k, v in fresh.critic.state_dict().items() if shared is None or not k.startswith(shared)}
        policy.critic.load_state_dict(weights, strict=shared is None)
        policy.critic_target.load_state_dict(policy.critic.state_dict())
        policy.critic.optimizer.load_state_dict(fresh.critic.optimizer.state_dict())
        if self._options.reset_update:
            model.train(self._options.reset_update, model.batch_size)

    def log(self, values: Mapping[str, float]) -> None:
        """Scalars for the next line of SB3's logger."""
        for name, value in values.items():
            self._model.logger.record(name, value)

    def save(self, path: Path) -> None:
        self.policy.save(path)

    def close(self) -> None:
        self._model.logger.close()

    @property
    def replay(self) -> RelabelReplayBuffer:
        """The replay buffer; its state is not part of `state_dict`, because episodes are the recording's."""
        buffer = self._model.replay_buffer
        assert isinstance(buffer, RelabelReplayBuffer)
        return buffer

    def state_dict(self) -> Mapping[str, Any]:
        """Without the replay buffer, which is the relabeller's to save."""
        return {**self._model.run_state(), "taken": (self.updates, self._handovers)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._model.load_run_state(state)
        self._model.updates, self._handovers = state["taken"]


class SACLearner(OffPolicyLearner):
    """The learner handle of SAC."""

    def __init__(self, options: SACOptions, context: LearnerContext) -> None:
        restraint, relabel = context.relabel.restraint, context.relabel
        if restraint is None:
            super().__init__(RunSAC, options, context)
            return
        if relabel.scales:
            raise ConfigError(
                "relabel.kl: SAC charges half of it unscaled, as entropy; set relabel.scale: false with it."
            )
        own = options.ent_coef if isinstance(options.ent_coef, float) else 0.0  # tuning it would undo the restraint
        super().__init__(RunSAC, options.model_copy(update={"ent_coef": own + restraint.beta}), context)
        restraint.hold(self.policy, recorded=False)


class TD3Learner(OffPolicyLearner):
    """The learner handle of TD3."""

    def __init__(self, options: TD3Options, context: LearnerContext) -> None:
        if context.relabel.restraint is not None:
            raise ConfigError(
                "relabel.kl: a TD3 policy is deterministic and has no density to compare with; use sac or ppo."
            )
        super().__init__(RunTD3, options, context)


def _check(options: OffPolicyOptions, context: LearnerContext) -> None:
    """What SB3 would answer with an assertion."""
    space = context.env.action_space
    if not isinstance(space, spaces.Box) or not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
        raise ConfigError(f"algo.name: SAC and TD3 need continuous actions within finite bounds, not {space}; use ppo.")
    if isinstance(options.train_freq, tuple) and options.train_freq[1] == "episode" and context.env.num_envs > 1:
        raise ConfigError(
            f"algo.train_freq: updates once per episode need env.n_envs: 1, not {context.env.num_envs}; count in steps."
        )
    if options.n_steps > 1 and isinstance(context.env.observation_space, spaces.Dict):
        raise ConfigError("algo.n_steps: SB3 has no n-step returns for Dict observations; use 1.")


def _noise(options: OffPolicyOptions, space: spaces.Space[Any]) -> NormalActionNoise | None:
    if options.noise_type is None:
        return None
    return NormalActionNoise(np.zeros(space.shape or ()), np.full(space.shape or (), options.noise_std))


def _buffer(options: OffPolicyOptions, context: LearnerContext, *, dictionary: bool) -> dict[str, Any]:
    kwargs: dict[str, Any] = {"relabel": context.relabel, "sampler": context.sampler}
    if dictionary:
        return {"replay_buffer_class": RelabelDictReplayBuffer, "replay_buffer_kwargs": kwargs}
    if options.n_steps > 1:
        kwargs |= {"n_steps": options.n_steps, "gamma": options.gamma}
        return {"replay_buffer_class": RelabelNStepReplayBuffer, "replay_buffer_kwargs": kwargs}
    return {"replay_buffer_class": RelabelReplayBuffer, "replay_buffer_kwargs": kwargs}
