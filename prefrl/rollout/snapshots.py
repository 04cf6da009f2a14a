"""An environment in, all that its next step depends on out; and back into an environment made alike.

That is possible where every layer can be seen through: MuJoCo tasks and classic control of Gymnasium and of ours, and
layers with a `state_dict` of their own. SB3 saves none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

from prefrl.checkpoints import Stateful
from prefrl.rollout.environments import mujoco_of

INTEGRATION = mujoco.mjtState.mjSTATE_INTEGRATION
SEEN_THROUGH = (
    "gymnasium.",
    "mujoco.",
    "prefrl.",
)  # what is no plain value but of these packages has no state of its own
RNG = "\0rng"


def snapshot(env: gym.Env[Any, Any]) -> dict[str, Any] | None:
    """None if a layer holds something whose state cannot be seen."""
    layers = []
    for layer in _layers(env):
        state = layer.state_dict() if isinstance(layer, Stateful) else _attributes(layer)
        if state is None:
            return None
        layers.append(state)
    return {"layers": layers, "physics": _physics(env)}


def restore(env: gym.Env[Any, Any], state: Mapping[str, Any]) -> None:
    """Continue exactly where `state` was taken."""
    for layer, saved in zip(_layers(env), state["layers"], strict=True):
        if isinstance(layer, Stateful):
            layer.load_state_dict(saved)
        else:
            _put_back(layer, saved)
    if state["physics"] is not None:
        _put_physics_back(env, state["physics"])


def _layers(env: gym.Env[Any, Any]) -> Iterator[gym.Env[Any, Any]]:
    """From the outermost wrapper to the task."""
    while isinstance(env, gym.Wrapper):
        yield env
        env = env.env
    yield env


def _attributes(layer: gym.Env[Any, Any]) -> dict[str, Any] | None:
    """Plain attributes and generators; None if one is neither nor known to be without state."""
    state: dict[str, Any] = {}
    for name, value in vars(layer).items():
        if isinstance(value, np.random.Generator):
            state[name] = {RNG: value.bit_generator.state}
        elif _plain(value):
            state[name] = value
        elif not (callable(value) or _seen_through(value)):
            return None
    return state


def _plain(value: Any) -> bool:
    match value:
        case None | bool() | int() | float() | str() | bytes() | np.generic():
            return True
        case np.ndarray():
            return value.dtype.kind in "biuf"
        case list() | tuple():
            return all(map(_plain, value))
        case dict():
            return all(isinstance(key, (str, int)) and _plain(inner) for key, inner in value.items())
    return False


def _seen_through(value: Any) -> bool:
    """Models, spaces, specs and wrappers: what of them changes is saved elsewhere or never changes."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(_plain(inner) or _seen_through(inner) for inner in value)
    if isinstance(value, Mapping):
        return all(_plain(inner) or _seen_through(inner) for inner in value.values())
    return isinstance(value, (gym.Env, type)) or f"{type(value).__module__}.".startswith(SEEN_THROUGH)


def _put_back(layer: gym.Env[Any, Any], saved: Mapping[str, Any]) -> None:
    """Arrays in place, because others may hold them too."""
    for name, value in saved.items():
        current = getattr(layer, name, None)
        if isinstance(value, dict) and RNG in value:
            generator = np.random.Generator(getattr(np.random, value[RNG]["bit_generator"])())
            generator.bit_generator.state = value[RNG]
            setattr(layer, name, generator)
        elif isinstance(current, np.ndarray) and isinstance(value, np.ndarray) and _fits(current, value):
            current[...] = value
        else:
            setattr(layer, name, value)


def _fits(current: np.ndarray[Any, Any], value: np.ndarray[Any, Any]) -> bool:
    return current.shape == value.shape and current.dtype == value.dtype and current.flags.writeable


def _physics(env: gym.Env[Any, Any]) -> dict[str, Any] | None:
    """MuJoCo's integration state, and what it derived from the one before: tasks read positions one substep old."""
    found = mujoco_of(env)
    if found is None:
        return None
    model, data = found
    state = np.empty(mujoco.mj_stateSize(model, INTEGRATION))
    mujoco.mj_getState(model, data, state, INTEGRATION)
    return {"state": state, "derived": {name: array.copy() for name, array in _arrays(data)}}


def _put_physics_back(env: gym.Env[Any, Any], saved: Mapping[str, Any]) -> None:
    found = mujoco_of(env)
    assert found is not None, "the environment was made alike"
    model, data = found
    mujoco.mj_setState(model, data, saved["state"], INTEGRATION)
    mujoco.mj_forward(model, data)
    for name, array in _arrays(data):
        if name in saved["derived"] and array.shape == saved["derived"][name].shape:
            array[...] = saved["derived"][name]


def _arrays(data: mujoco.MjData) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """MjData's own arrays, but for those of constraints, which each step makes anew."""
    for name in dir(data):
        if not name.startswith(("_", "efc_", "iefc_", "tendon_efc", "contact", "flex")):
            value = getattr(data, name)
            if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.size and value.flags.writeable:
                yield name, value
