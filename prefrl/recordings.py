"""Files of recorded steps in, episodes out: a folder of npz files of one's own, or a Minari data set."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prefrl.errors import ConfigError, DataError, EnvironmentMissing, choices
from prefrl.rollout.environments import flat
from prefrl.types import Array, EnvInfo, Episode

MINARI = "minari:"
PER_STEP = ("action", "true_reward", "policy_action", "log_prob")  # T rows
PER_STATE = ("obs", "states")  # T + 1 rows
FLAGS = ("terminated",)
GROUPS = ("factors", "cost", "extras")


def read(source: str, env: EnvInfo) -> list[Episode]:
    """Episodes of the folder `source`, or of the Minari data set behind ``minari:``.

    Raises `ConfigError` if there is none, `DataError` for a damaged file or steps of another environment than `env`,
    `EnvironmentMissing` without Minari.
    """
    if source.startswith(MINARI):
        return read_minari(source.removeprefix(MINARI), env)
    return read_folder(Path(source), env)


def read_folder(folder: Path, env: EnvInfo) -> list[Episode]:
    """One episode per ``*.npz`` of `folder`, in the order of their names; nothing is unpickled.

    Each holds `obs` (T+1, ...) and `action` (T, ...), and may hold `true_reward` (T,), `policy_action`, `log_prob`,
    MuJoCo `states` (T+1, ns), `terminated`, and ``factors/<name>``, ``cost/<name>`` and ``extras/<name>`` (T,).
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise ConfigError(f"{folder}: no recorded episodes are there (*.npz, one per episode).")
    return [_episode(path, _arrays(path), env) for path in paths]


def _arrays(path: Path) -> Mapping[str, Array]:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise DataError(f"{path}: is no npz of plain arrays ({error}).") from error


def _episode(path: Path, arrays: Mapping[str, Array], env: EnvInfo) -> Episode:
    for name in ("obs", "action"):
        if name not in arrays:
            raise DataError(f"{path}: holds no '{name}'; an episode needs obs and action.")
    named: dict[str, Any] = {group: {} for group in GROUPS}
    plain: dict[str, Any] = {}
    for name, array in arrays.items():
        _check(path, name, array, len(arrays["action"]), env)
        group, _, channel = name.partition("/")
        if channel:
            named[group][channel] = array
        elif name not in FLAGS:
            plain[name] = array
    terminated = bool(arrays.get("terminated", False))
    return Episode(
        f"{path.parent.name}/{path.stem}",
        **plain,
        **named,
        terminated=terminated,
        truncated=not terminated,
        env_id=env.id,
    )


def _check(path: Path, name: str, array: Array, steps: int, env: EnvInfo) -> None:
    """Refuse what is unknown, of the wrong shape or no number."""
    group, slash, channel = name.partition("/")
    known = {"factors": env.factors, "cost": env.costs}.get(group)
    if slash and known is not None and channel not in known:
        raise DataError(f"{path}: '{name}' is nothing that {env.id} has. {choices(channel, known)}")
    if not (slash and group in GROUPS) and name not in (*PER_STEP, *PER_STATE, *FLAGS):
        allowed = [*PER_STEP, *PER_STATE, *FLAGS, *(f"{group}/<name>" for group in GROUPS)]
        raise DataError(f"{path}: '{name}' is not known. {choices(name, allowed)}")
    if array.dtype.kind not in "fiub":
        raise DataError(f"{path}: '{name}' holds no numbers but {array.dtype}.")
    rows = () if name in FLAGS else (steps + 1,) if name in PER_STATE else (steps,)
    shape = {
        "obs": env.obs_shape, "action": env.action_shape, "policy_action": env.action_shape, "states": array.shape[1:],
    }.get(name, ())  # fmt: skip
    if array.shape != (*rows, *shape) or not steps:
        expected = (*rows, *shape) if steps else "at least one step"
        raise DataError(f"{path}: '{name}' is of shape {array.shape}, and {env.id} needs {expected}.")
    if not np.isfinite(array).all() and group not in ("factors", "cost"):  # a factor may be unknown at a step
        raise DataError(f"{path}: '{name}' holds values that are not finite.")


def read_minari(name: str, env: EnvInfo) -> list[Episode]:
    """Episodes of the local Minari data set `name`; observations that are mappings are flattened as a run flattens them."""
    try:
        import minari  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as error:
        raise EnvironmentMissing(f"{MINARI}{name} needs the package minari: pip install 'prefrl[minari]'.") from error
    try:
        data = minari.load_dataset(name)
    except (FileNotFoundError, ValueError) as error:
        local = list(minari.list_local_datasets())
        raise ConfigError(
            f"{MINARI}{name}: there is no such data set on this machine. {choices(name, local)}"
        ) from error
    where = Path(f"{MINARI}{name}")
    return [_of_minari(where, one, data.observation_space, env) for one in data.iterate_episodes()]


def _of_minari(where: Path, one: Any, space: Any, env: EnvInfo) -> Episode:
    arrays = {
        "obs": np.stack([flat(space, _row(one.observations, t)) for t in range(len(one.rewards) + 1)]),
        "action": np.asarray(one.actions),
        "true_reward": np.asarray(one.rewards),
        "terminated": np.asarray(bool(one.terminations[-1])),
    }
    return _episode(where / f"{one.id}", arrays, env)


def _row(observations: Any, t: int) -> Any:
    """Observation t of arrays that may be nested in mappings and tuples."""
    if isinstance(observations, Mapping):
        return {key: _row(value, t) for key, value in observations.items()}
    if isinstance(observations, tuple):
        return tuple(_row(value, t) for value in observations)
    return observations[t]
