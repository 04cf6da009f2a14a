"""A data set of pairs in, the label triple of D4RL's human preferences out; and back.

Kim et al. (2023, Preference Transformer, arXiv 2303.00957) publish human answers as three pickles: `label_human` (0: the
first, 1: the second, -1 or 0.5: neither) and `indices_num<N>_q<H>`, `indices_2_num<N>_q<H>`, the first steps of the first
and second clip of H steps in a file of trajectories laid end to end. prefrl writes those trajectories beside them as
dataset.npz (observations, actions, next_observations, terminals), and reads them from there if they are there.
"""

from __future__ import annotations

import json
import pickle
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prefrl.errors import ConfigError, DataError
from prefrl.forms.folders import fresh
from prefrl.forms.plain_pickle import NotPlainError, plain
from prefrl.store.data_set import DataSet
from prefrl.store.exchange import Export
from prefrl.store.records import item_data, query_row, to_json
from prefrl.types import Array, EnvInfo, Preference, Query, Segment, Tiers, content_hash

SOURCE = "human"  # of answers read from a triple
STEPS = "dataset.npz"
ORDERS: Mapping[float, tuple[tuple[int, ...], ...]] = {
    0.0: ((0,), (1,)), 1.0: ((1,), (0,)), -1.0: ((0, 1),), 0.5: ((0, 1),),
}  # fmt: skip
_LABELS = {((0,), (1,)): 0, ((1,), (0,)): 1, ((0, 1),): -1, ((1, 0),): -1}
# Never written: the fields of `Preference` and `Query`, what a segment holds beside observations and actions.
LOST = (
    "id", "query_id", "source", "annotator", "group", "revision", "strength", "rationale", "shown_order", "seconds", "created",
    "why", "round", "question", "factors", "cost", "states", "policy_action", "log_prob", "extras", "episode", "start", "dt",
)  # fmt: skip


# --- out -------------------------------------------------------------------------------------------------------------


def write(data: DataSet, folder: Path) -> Counter[str]:
    """The current answers about pairs of clips of one length, the commonest one; why others are left out is counted."""
    lost: Counter[str] = Counter()
    current = [preference for _, preference in data.current()]
    without = {"true_reward", "factors", "cost", "states", "policy_action", "log_prob", "extras"}
    queries = data.queries((preference.query_id for preference in current), without)
    fit: list[tuple[int, tuple[Segment, Segment]]] = []
    for preference in current:
        pair, reason = _pair(preference, queries[preference.query_id].items)
        if pair is None:
            lost[reason] += 1
        else:
            assert isinstance(preference.answer, Tiers)
            fit.append((_LABELS[preference.answer.tiers], pair))
    lengths = Counter(len(pair[0]) for _, pair in fit)
    length = lengths.most_common(1)[0][0] if lengths else 0
    kept = [one for one in fit if len(one[1][0]) == length]
    lost["answers about clips of another length"] += len(fit) - len(kept)
    clips = {clip.id: clip for _, pair in kept for clip in pair}
    first_step = {key: length * i for i, key in enumerate(clips)}
    with fresh(folder) as draft:
        _write_list(draft / "label_human", [label for label, _ in kept])
        for name, side in (("indices", 0), ("indices_2", 1)):
            starts = [first_step[pair[side].id] for _, pair in kept]
            _write_list(draft / f"{name}_num{len(kept)}_q{length}", starts)
        if clips:
            np.savez(draft / STEPS, allow_pickle=False, **_steps(list(clips.values())))
    return +lost


def _pair(preference: Preference, items: Sequence[Any]) -> tuple[tuple[Segment, Segment] | None, str]:
    """The two clips of an answer that a triple can hold, or why it cannot."""
    if preference.answer is None:
        return None, "skips"
    if not isinstance(preference.answer, Tiers) or preference.answer.tiers not in _LABELS or len(items) != 2:
        return None, "answers that are no order of two clips"
    first, second = items
    if not (isinstance(first, Segment) and isinstance(second, Segment)):
        return None, "answers about texts and programs"
    if len(first) != len(second):
        return None, "answers about clips of different lengths"
    return (first, second), ""


def _write_list(path: Path, values: list[int]) -> None:
    path.write_bytes(pickle.dumps(values, protocol=4))  # what the field's programs load; plain numbers, no code


def _steps(clips: Sequence[Segment]) -> dict[str, Array]:
    """Clips laid end to end, as D4RL lays trajectories."""
    terminals = [
        np.arange(len(clip)) == len(clip) - 1 if clip.terminated else np.zeros(len(clip), bool) for clip in clips
    ]
    return {
        "observations": np.concatenate([np.asarray(clip.obs)[:-1] for clip in clips]),
        "actions": np.concatenate([np.asarray(clip.action) for clip in clips]),
        "next_observations": np.concatenate([np.asarray(clip.obs)[1:] for clip in clips]),
        "terminals": np.concatenate(terminals),
    }


# --- in --------------------------------------------------------------------------------------------------------------


def read(folder: Path, env: EnvInfo | None) -> Export:
    """The questions and answers of a triple. Without dataset.npz its clips are known by their place only."""
    first, second = _only(folder, "indices_num*"), _only(folder, "indices_2_num*")
    found = re.fullmatch(r"indices_2?_?num\d+_q(\d+)", first.name)
    if found is None:
        raise DataError(f"{first}: its name does not say how long a clip is: call it indices_num<N>_q<steps>.")
    length = int(found[1])
    labels, starts = _list(folder / "label_human"), [_list(first), _list(second)]
    if not len(labels) == len(starts[0]) == len(starts[1]):
        raise DataError(f"{folder}: {len(labels)} labels for {len(starts[0])} and {len(starts[1])} clips.")
    steps = _arrays(folder / STEPS)
    env = _env(folder, steps, env)
    content = Export(folder.resolve().name, env)
    items: dict[int, Any] = {}
    for number, (label, *pair) in enumerate(zip(labels, *starts, strict=True), 1):
        where = f"{folder}: answer {number}"
        for start in pair:
            if start not in items:
                items[start] = _item(start, length, steps, env, where)
        query = Query.of(content.name, number, [items[start] for start in pair])
        content.queries.append(query_row(query))
        content.preferences.append(Preference.of(query, Tiers(_order(label, where)), source=SOURCE))
    content.segments = [item for item in items.values() if len(item.action)]
    content.items = [
        {"id": item.id, "kind": item.kind, "data": to_json(item_data(item)), "pack": None, "arrays": None}
        for item in items.values()
        if not len(item.action)
    ]
    return content


def _env(folder: Path, steps: Mapping[str, Array], known: EnvInfo | None) -> EnvInfo:
    """What the clips are of: the data set's own environment, or one called like the folder."""
    shapes = [tuple(steps[name].shape[1:]) if steps else () for name in ("observations", "actions")]
    if known is None:
        return EnvInfo(folder.resolve().name, shapes[0], shapes[1])
    if steps and shapes != [known.obs_shape, known.action_shape]:
        raise DataError(
            f"{folder / STEPS} has observations and actions of shape {shapes[0]} and {shapes[1]}, {known.id} has"
            f" {known.obs_shape} and {known.action_shape}: choose another data set."
        )
    return known


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise ConfigError(f"{folder} holds {len(found)} files {pattern}, one is needed beside label_human.")
    return found[0]


def _list(path: Path) -> list[Any]:
    try:
        return plain(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except NotPlainError as error:
        raise DataError(f"{path} is no pickle of plain numbers ({error}), and nothing else is read.") from error


def _arrays(path: Path) -> Mapping[str, Array]:
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
            missing = [name for name in ("observations", "actions", "next_observations") if name not in found]
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is no npz of plain arrays ({error}).") from error
    if missing:
        raise DataError(f"{path} holds no {missing[0]}.")
    return found


def _order(label: Any, where: str) -> tuple[tuple[int, ...], ...]:
    """0, 1, -1 and 0.5, or the two weights that some publish: [1, 0], [0, 1], [0.5, 0.5]."""
    weights: Mapping[tuple[Any, ...], float] = {(1, 0): 0.0, (0, 1): 1.0, (0.5, 0.5): 0.5}
    key = weights.get(tuple(label)) if isinstance(label, list) else label
    if isinstance(key, bool) or not isinstance(key, int | float) or float(key) not in ORDERS:
        raise DataError(f"{where} has label {label}; known are 0 (the first), 1 (the second), -1 and 0.5 (neither).")
    return ORDERS[float(key)]


def _item(start: Any, length: int, steps: Mapping[str, Array], env: EnvInfo, where: str) -> Segment:
    """The clip from step `start` on; without steps one that has a name and no arrays."""
    if not isinstance(start, int) or start < 0:
        raise DataError(f"{where} begins at step {start}, a number from 0 on is needed.")
    place: dict[str, Any] = {"env_id": env.id, "episode": STEPS, "start": start}
    if not steps:
        name = content_hash(b"triple", env.id.encode(), json.dumps([start, length]).encode())
        return Segment(name, np.empty((0,)), np.empty((0,)), **place)
    rows = slice(start, start + length)
    action = steps["actions"][rows]
    if len(action) < length:
        raise DataError(f"{where} begins at step {start}, and {STEPS} has {len(steps['actions'])} steps.")
    obs = np.concatenate([steps["observations"][rows], steps["next_observations"][rows][-1:]])
    terminated = "terminals" in steps and bool(steps["terminals"][rows][-1])
    return Segment.of(obs, action, terminated=terminated, **place)
