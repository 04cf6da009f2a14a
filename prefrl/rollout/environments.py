"""Environment settings in, Gymnasium environments and what is known of them out."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium import spaces

from prefrl import mujoco_log
from prefrl.errors import ConfigError, EnvironmentMissing, choices
from prefrl.rollout.factors import NEVER_END, TASKS, KnownTask
from prefrl.rollout.termination import Absorb
from prefrl.rollout.users import Served
from prefrl.settings import EnvSettings
from prefrl.types import Array, EnvInfo, Factor

STATE_SPEC = mujoco.mjtState.mjSTATE_FULLPHYSICS
DM_CONTROL = "dm_control/"  # how ids of dm_control's tasks begin, by way of shimmy
mujoco_log.listen()


def make(settings: EnvSettings) -> gym.Env[Any, Any]:
    """One environment as its author made it, under the run's termination policy; errors name `env.id` or `env.kwargs`."""
    kwargs = dict(settings.kwargs)
    if settings.termination == "off" and settings.id not in NEVER_END:
        kwargs["terminate_when_unhealthy"] = False
    if settings.id.startswith(DM_CONTROL):
        _register_dm_control(settings.id)
    try:
        with warnings.catch_warnings():  # an older version of an id is the user's choice
            warnings.simplefilter("ignore", DeprecationWarning)
            env = gym.make(settings.id, **kwargs)
    except ModuleNotFoundError as error:
        module = settings.id.partition(":")[0]
        lacking = error.name or getattr(
            error.__cause__, "name", None
        )  # Gymnasium raises a nameless one from the real one
        if lacking == module:
            raise ConfigError(
                f"env.id: '{settings.id}' names the module '{module}', which is not installed; "
                f"install its distribution or use any Gymnasium id."
            ) from error
        raise EnvironmentMissing(f"env.id: '{settings.id}' needs the package '{lacking}'; install it.") from error
    except gym.error.DependencyNotInstalled as error:
        raise EnvironmentMissing(f"env.id: '{settings.id}' needs more packages: {error}") from error
    except gym.error.Error as error:
        known = [name for name in gym.registry if "/" not in name]
        raise ConfigError(f"env.id: no environment '{settings.id}'. {_nearest(settings.id, known)}") from error
    except TypeError as error:
        if settings.termination == "off" and "terminate_when_unhealthy" in str(error):
            raise ConfigError(
                f"env.termination: '{settings.id}' cannot switch its terminal states off; use keep or absorb."
            ) from error
        raise ConfigError(f"env.kwargs: '{settings.id}' does not accept {sorted(settings.kwargs)}: {error}.") from error
    return _adapted(env, settings)


def _adapted(env: gym.Env[Any, Any], settings: EnvSettings) -> gym.Env[Any, Any]:
    """What was made, with factors named, dm_control's parts as one vector, and terminal states as the run wants them."""
    if settings.id.startswith(DM_CONTROL):
        env = gym.wrappers.FlattenObservation(env)
    if env.spec and env.spec.id in TASKS:
        env = Named(env, TASKS[env.spec.id])
    if settings.termination == "absorb":
        factors = declared(env).get("factors", {})
        env = Absorb(env, [name for name, meta in factors.items() if meta.get("motion")])
    return Served(env, settings.user) if settings.user else env


def _register_dm_control(env_id: str) -> None:
    """Import what registers dm_control's tasks, without it looking for a display; its warnings go to our log too."""
    chosen = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "disabled"
    try:
        importlib.import_module("dm_control.suite")
        importlib.import_module("shimmy")
    except ModuleNotFoundError as error:
        raise EnvironmentMissing(
            f"env.id: '{env_id}' needs the package '{error.name}'; install prefrl[dmc], best in an environment of its own."
        ) from error
    finally:
        os.environ.pop("MUJOCO_GL")
        if chosen is not None:
            os.environ["MUJOCO_GL"] = chosen
        mujoco_log.listen()


def _nearest(name: str, known: list[str]) -> str:
    hint = choices(name, known).rpartition(". Did")
    return (
        f"Did{hint[2]}" if hint[1] else f"Any of the {len(known)} registered Gymnasium ids works, e.g. HalfCheetah-v5."
    )


class Record(dict[str, Any]):
    """What is known of one step, made anew for each, so that SB3, which deep-copies infos at each step, need not copy it."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Record:
        return self


class Named(gym.Wrapper[Any, Any, Any, Any]):
    """One of Gymnasium's own tasks with its factors and costs in info, as a task of ours has them."""

    def __init__(self, env: gym.Env[Any, Any], known: KnownTask) -> None:
        super().__init__(env)
        self.known = known

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        task = self.unwrapped
        named = {
            "factors": Record((name, quantity.read(info, task)) for name, quantity in self.known.factors.items()),
            "costs": Record((name, quantity.read(info, task)) for name, quantity in self.known.costs.items()),
        }
        return obs, reward, terminated, truncated, {**info, **named}


def declared(env: gym.Env[Any, Any]) -> Mapping[str, Any]:
    """What is known of a task in the form of ``metadata["prefrl"]``: its own words, else those of `factors.TASKS`."""
    own = env.unwrapped.metadata.get("prefrl")
    task = env.spec.id if env.spec else ""
    if own is None and task.startswith(DM_CONTROL):
        own = {"factors": {}}  # the numbers in its info keep count of time
    return own or (TASKS[task].metadata() if task in TASKS else {})


def describe(env: gym.Env[Any, Any], env_id: str) -> EnvInfo:
    """What may be known without stepping: shapes, factors, costs, task text.

    A task says it in ``metadata["prefrl"]``, `factors` knows Gymnasium's own MuJoCo tasks. Otherwise every numeric scalar
    of its info is a factor, and counts as privileged, because nothing says that it is not a term of the designed reward.
    """
    inner = env.unwrapped
    known = declared(env)
    action = env.action_space
    discrete = int(action.n) if isinstance(action, spaces.Discrete) else None
    if discrete is None and not isinstance(action, spaces.Box):
        raise ConfigError(f"env.id: '{env_id}' has {type(action).__name__} actions; Box and Discrete are supported.")
    if known:
        factors = {
            name: Factor(name, meta.get("unit", ""), bool(meta.get("privileged", True)), meta.get("summary", ""))
            for name, meta in known.get("factors", {}).items()
        }
    else:
        factors = {name: Factor(name) for name in _scalar_infos(env)}
    user = int(env.get_wrapper_attr("user_width")) if env.has_wrapper_attr("user_width") else 0
    named = tuple(known.get("observations", ()))
    return EnvInfo(
        id=env_id,
        obs_shape=flat_shape(env.observation_space),
        action_shape=() if discrete is not None else tuple(action.shape or ()),
        discrete_actions=discrete,
        max_episode_steps=env.spec.max_episode_steps if env.spec else None,
        dt=_seconds(getattr(inner, "dt", None)),
        factors=factors,
        costs=tuple(known.get("costs", {})),
        task=known.get("task", ""),
        observations=named and (*named, *(f"whom the policy serves, {i} [1]" for i in range(user))),
        has_states=mujoco_of(env) is not None,
        user=user,
    )


def _seconds(dt: Any) -> float | None:
    return float(dt) if isinstance(dt, (int, float)) else None


def _scalar_infos(env: gym.Env[Any, Any]) -> list[str]:
    """Names of numeric scalars in the info of one step from a reset."""
    env.reset(seed=0)
    env.action_space.seed(0)
    info = env.step(env.action_space.sample())[4]
    return [name for name, value in info.items() if _is_scalar(value)]


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (bool, int, float, np.bool_, np.number)) and np.ndim(value) == 0


def factors_of(info: Mapping[str, Any], names: Mapping[str, Factor]) -> dict[str, float]:
    """The factors a step's info holds, under `names`; NaN where it holds none."""
    values = info.get("factors", info)
    if isinstance(values, Record):  # by `Named`: these names, as floats
        return values
    return {name: float(values.get(name, np.nan)) for name in names}


def mujoco_of(env: gym.Env[Any, Any]) -> tuple[mujoco.MjModel, mujoco.MjData] | None:
    """Model and data of a MuJoCo environment, else None."""
    inner = env.unwrapped
    physics = getattr(inner, "physics", None)  # of dm_control, which wraps both
    if physics is not None:
        return physics.model.ptr, physics.data.ptr
    model, data = getattr(inner, "model", None), getattr(inner, "data", None)
    return (model, data) if isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData) else None


def flat_shape(space: spaces.Space[Any]) -> tuple[int, ...]:
    """Shape of one recorded observation: Dict and Tuple spaces are flattened, others kept."""
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        return (int(spaces.flatdim(space)),)
    if isinstance(space, spaces.Discrete):
        return (1,)
    if space.shape is None:
        raise ConfigError(f"env.id: {type(space).__name__} observations have no fixed shape.")
    return tuple(space.shape)


def flat(space: spaces.Space[Any], obs: Any) -> Array:
    """One observation of `space` as it is recorded, of shape `flat_shape(space)`."""
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        return np.asarray(spaces.flatten(space, obs))
    return np.asarray(obs).reshape(flat_shape(space))


def spec_of(env_id: str) -> gym.envs.registration.EnvSpec:
    """What is registered under "Id-v0" or, importing its module first, "module:Id-v0"."""
    module, colon, name = env_id.rpartition(":")
    if colon:
        importlib.import_module(module)
    return gym.spec(name)
