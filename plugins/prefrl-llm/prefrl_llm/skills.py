"""A task and skills in, a task whose actions are the skills out: `gymnasium.make("prefrl_llm.skills:Skills-v0", ...)`.

A skill is an SB3 policy that acts for a number of steps. Any algorithm that takes discrete actions learns to choose among
them: the language model of this plugin, SB3's PPO, or a table.
"""

from __future__ import annotations

import functools
import json
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import yaml
from gymnasium import spaces
from pydantic import Field, ValidationError
from stable_baselines3 import PPO, SAC, TD3

from prefrl.errors import ConfigError, choices
from prefrl.options import Options
from prefrl.types import Array

ALGORITHMS: Mapping[str, Any] = {"ppo": PPO, "sac": SAC, "td3": TD3}


class GoalEntries(Options):
    """Where a goal-conditioned policy finds its goal."""

    entries: tuple[int, ...] = Field(min_length=1, description="of the observation that hold the goal")
    relative: tuple[int, ...] = Field((), description="of the observation that hold the goal minus something, in order")


class SkillsOptions(Options):
    """Arguments of the environment, `env.kwargs`."""

    task: str = Field(description="Gymnasium id of what the skills act in")
    task_kwargs: dict[str, Any] = {}
    skills: dict[str, str | tuple[float, ...]] = Field(
        min_length=2, description="name -> run folder or SB3 file; or the goal that `policy` gets"
    )
    policy: str | None = Field(None, description="run folder or SB3 file of a policy that takes goals")
    algorithm: str = Field("ppo", description="that saved the SB3 files; run folders know their own")
    goal: GoalEntries | None = Field(None, description="where `policy` finds its goal")
    steps: int = Field(10, ge=1, description="of the task for which a skill acts, unless the episode ends")


class Skill:
    """A policy, or a policy with one goal."""

    def __init__(self, policy: Any, normalize: Any, goal: GoalEntries | None, aim: Sequence[float]) -> None:
        self._policy, self._normalize, self._goal = policy, normalize, goal
        self._aim = np.asarray(aim, np.float64)

    def act(self, obs: Array) -> Array:
        """Its deterministic action for one observation of the task."""
        obs = np.asarray(obs)
        if self._goal is not None:
            obs = aimed(obs, self._goal, self._aim)
        if self._normalize is not None:
            obs = self._normalize.normalize_obs(obs)
        action, _ = self._policy.predict(obs, deterministic=True)
        return np.asarray(action)


def aimed(obs: Array, goal: GoalEntries, aim: Array) -> Array:
    """The observation as it would be under another goal: entries relative to the goal move with it."""
    entries, changed = list(goal.entries), obs.copy()
    changed[entries] = aim
    if goal.relative:
        changed[list(goal.relative)] += aim - obs[entries]
    return changed


class SkillsEnv(gymnasium.Env[Array, np.int64]):
    """One step is one skill, acting for `steps` steps of the task; observations are the task's own.

    The reward is the sum over those steps, costs are summed, factors meaned, `success` is that of the last step.
    MuJoCo's model and data are the task's, so that states are recorded and clips drawn, one frame per choice.
    """

    def __init__(self, render_mode: str | None = None, **kwargs: Any) -> None:
        try:
            options = SkillsOptions.model_validate(kwargs)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(["env.kwargs", *map(str, first["loc"])])
            raise ConfigError(f"{place}: {first['msg']}. {choices('', SkillsOptions.model_fields)}") from error
        self.task = gymnasium.make(options.task, render_mode=render_mode, **options.task_kwargs)
        self.skills = {name: _skill(name, what, options, self.task) for name, what in options.skills.items()}
        self._steps, self._obs = options.steps, np.empty(0)
        self.observation_space = self.task.observation_space
        self.action_space = spaces.Discrete(len(self.skills))
        known = self.task.unwrapped.metadata
        self.metadata = {**known, "prefrl": {**known.get("prefrl", {}), "actions": list(self.skills)}}
        self.render_mode = render_mode

    @property
    def model(self) -> Any:
        """MuJoCo's."""
        return getattr(self.task.unwrapped, "model", None)

    @property
    def data(self) -> Any:
        """MuJoCo's."""
        return getattr(self.task.unwrapped, "data", None)

    @property
    def dt(self) -> float | None:
        """Seconds for which a skill acts."""
        one = getattr(self.task.unwrapped, "dt", None)
        return None if one is None else float(one) * self._steps

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        self._obs, info = self.task.reset(seed=seed, options=options)
        return self._obs, info

    def step(self, action: np.int64) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        skill = list(self.skills.values())[int(action)]
        total, infos, terminated, truncated = 0.0, [], False, False
        while len(infos) < self._steps and not (terminated or truncated):
            self._obs, reward, terminated, truncated, info = self.task.step(skill.act(self._obs))
            total += float(reward)
            infos.append(info)
        return self._obs, total, terminated, truncated, {**infos[-1], **_joined(infos), "steps": len(infos)}

    def render(self) -> Any:
        return self.task.render()

    def close(self) -> None:
        self.task.close()


def _joined(infos: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Factors meaned and costs summed over the steps of one skill, where the task has them."""
    over = {"factors": np.mean, "costs": np.sum}
    return {
        key: {name: float(how([info[key][name] for info in infos])) for name in infos[-1][key]}
        for key, how in over.items()
        if key in infos[-1]
    }


# --- loading --------------------------------------------------------------------------------------------------------


def _skill(name: str, what: str | Sequence[float], options: SkillsOptions, task: Any) -> Skill:
    where = f"env.kwargs.skills.{name}"
    if isinstance(what, str):
        policy, normalize = _policy(what, options.algorithm, where)
        goal, aim = None, ()
    else:
        if options.policy is None or options.goal is None:
            raise ConfigError(
                f"{where}: a goal needs `policy`, which takes it, and `goal`, the entries where it stands."
            )
        if len(what) != len(options.goal.entries) or (
            options.goal.relative and len(options.goal.relative) != len(what)
        ):
            raise ConfigError(f"{where}: {len(what)} numbers for the goal's {len(options.goal.entries)} entries.")
        policy, normalize = _policy(options.policy, options.algorithm, "env.kwargs.policy")
        goal, aim = options.goal, tuple(what)
    if policy.observation_space.shape != task.observation_space.shape:
        raise ConfigError(
            f"{where}: its policy takes observations of shape {policy.observation_space.shape}, and {options.task} has "
            f"{task.observation_space.shape}."
        )
    return Skill(policy, normalize, goal, aim)


def _policy(name: str, algorithm: str, where: str) -> tuple[Any, Any]:
    """The user's own SB3 file, which unpickles, with the statistics of observations beside it."""
    path = Path(name)
    if (path / "config.yaml").is_file():
        algorithm = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))["algo"]["name"]
        path = path / "model.zip"
    if not path.is_file():
        raise ConfigError(
            f"{where}: '{name}' is no finished run and no saved policy; train it first, e.g. `prefrl train "
            f"configs/llm/walker.yaml`."
        )
    if algorithm not in ALGORITHMS:
        raise ConfigError(f"{where}: SB3 has no '{algorithm}' here. {choices(algorithm, ALGORITHMS)}")
    return _loaded(path.absolute(), path.stat().st_mtime_ns, algorithm, where)


@functools.lru_cache(maxsize=32)  # copies of an environment share their skills
def _loaded(path: Path, changed: int, algorithm: str, where: str) -> tuple[Any, Any]:
    try:
        policy = ALGORITHMS[algorithm].load(path, device="cpu", custom_objects={"buffer_size": 1}).policy
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        AssertionError,
        RuntimeError,
        zipfile.BadZipFile,
        json.JSONDecodeError,
    ) as error:
        raise ConfigError(f"{where}: {path} is no policy that SB3's {algorithm} saved ({error}).") from error
    statistics = path.with_name("vecnormalize.pkl")
    if not statistics.is_file():
        return policy, None
    with statistics.open("rb") as file:
        return policy, pickle.load(file)  # noqa: S301 - the user's own file, said above


gymnasium.register("Skills-v0", entry_point="prefrl_llm.skills:SkillsEnv")
