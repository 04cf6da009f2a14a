"""Environment settings in, a recording SB3 VecEnv out; adapts any Gymnasium VectorEnv to SB3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from prefrl.errors import ConfigError
from prefrl.rollout.environments import describe, make, spec_of
from prefrl.rollout.recording import KEY, RecordedEnv, Recording, RecordingVecEnv
from prefrl.settings import EnvSettings
from prefrl.types import Array, EnvInfo


def record(settings: EnvSettings, info: EnvInfo, *, seed: int, name: str, keep: int | None) -> RecordingVecEnv:
    """`settings.n_envs` recorded copies of the task, seeded with `seed` + index."""
    venv = _stepped_by(settings, info)
    venv.seed(seed)
    return RecordingVecEnv(venv, Recording(name, info, settings.n_envs, keep))


def information(settings: EnvSettings) -> EnvInfo:
    """What may be known of the task."""
    env = make(settings)
    try:
        return describe(env, settings.id)
    finally:
        env.close()


def _stepped_by(settings: EnvSettings, info: EnvInfo) -> VecEnv:
    if settings.backend == "gym":
        return DummyVecEnv([lambda: RecordedEnv(make(settings), info)] * settings.n_envs)
    spec = spec_of(settings.id)
    if spec.vector_entry_point is None or settings.backend == "warp":
        raise ConfigError(
            f"env.backend: '{settings.id}' has no batched form for '{settings.backend}' "
            f"(it needs a vector_entry_point); use gym."
        )
    if settings.termination != "keep":
        raise ConfigError(
            f"env.termination: the batched form of '{settings.id}' knows 'keep' only; use it, or env.backend: gym."
        )
    batch = gym.make_vec(settings.id, settings.n_envs, vectorization_mode="vector_entry_point", **settings.kwargs)
    return BatchedVecEnv(batch, info)


class BatchedVecEnv(VecEnv):
    """A Gymnasium VectorEnv as an SB3 VecEnv that resets within the step, as SB3 expects.

    The whole batch's info may hold "state" (n, ns), "factors" and "costs" {name: (n,)}; they are recorded.
    SAME_STEP autoreset is used as it is, DISABLED is completed by masked resets; NEXT_STEP loses a step per episode
    and is refused.
    """

    def __init__(self, batch: VectorEnv[Any, Any, Any], info: EnvInfo) -> None:
        self.batch, self._info = batch, info  # first: SB3 asks for the render mode
        if isinstance(batch.single_observation_space, (spaces.Dict, spaces.Tuple)):
            raise ConfigError(f"env.backend: '{info.id}' has observations of several parts; use gym.")
        super().__init__(batch.num_envs, batch.single_observation_space, batch.single_action_space)
        mode = batch.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        if mode == AutoresetMode.NEXT_STEP:
            raise ConfigError(f"env.backend: '{info.id}' resets one step late (NEXT_STEP autoreset); use gym.")
        self._mode = mode
        self._seed: int | None = None
        self._actions: Array = np.empty(0)

    def reset(self) -> VecEnvObs:
        obs, info = self.batch.reset(seed=self._seed)
        self._seed = None
        self._remember(info, np.ones(self.num_envs, bool))
        return np.array(obs)

    def step_async(self, actions: Array) -> None:
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        obs, reward, terminated, truncated, info = self.batch.step(self._actions)
        dones = terminated | truncated
        infos = [self._record(i, info, reward, terminated, truncated) for i in range(self.num_envs)]
        obs = np.array(obs)
        if dones.any():
            final = obs.copy() if self._mode == AutoresetMode.DISABLED else info["final_obs"]
            for i in np.flatnonzero(dones):
                infos[i]["terminal_observation"] = np.array(final[i])
            if self._mode == AutoresetMode.DISABLED:
                fresh, info = self.batch.reset(options={"reset_mask": dones})
                obs[dones] = fresh[dones]
            self._remember(info, dones)
        return obs, np.array(reward, np.float32), dones, infos

    def _record(
        self, i: int, info: dict[str, Any], reward: Array, terminated: Array, truncated: Array
    ) -> dict[str, Any]:
        ended = info.get("final_info", info) if terminated[i] or truncated[i] else info
        factors, costs = ended.get("factors", ended), ended.get("costs", {})
        record = {
            "state": ended["state"][i] if "state" in ended else None,
            "true_reward": float(reward[i]),
            "action": np.array(self._actions[i]),
            "factors": {name: float(factors[name][i]) if name in factors else np.nan for name in self._info.factors},
            "cost": {name: float(costs[name][i]) if name in costs else np.nan for name in self._info.costs},
            "terminated": bool(terminated[i]),
        }
        return {KEY: record, "TimeLimit.truncated": bool(truncated[i] and not terminated[i])}

    def _remember(self, info: dict[str, Any], which: Array) -> None:
        for i in np.flatnonzero(which):
            self.reset_infos[i] = {KEY: {"state": info["state"][i] if "state" in info else None}}

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        self._seed = seed
        return [seed] * self.num_envs

    def close(self) -> None:
        self.batch.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self.batch, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self.batch, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        return [getattr(self.batch, method_name)(*args, **kwargs)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * len(list(self._get_indices(indices)))
