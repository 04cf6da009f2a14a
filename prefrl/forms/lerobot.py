"""A data set in, a LeRobot data set out whose episodes are its clips, with questions and answers beside them; and back.

The layout is LeRobotDataset v3.0's: meta/info.json, meta/stats.json, meta/tasks.parquet, meta/episodes/ and data/ in chunks
of Parquet files. The folder prefrl/ holds what LeRobot has no place for. Needs pyarrow, and nothing of LeRobot.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prefrl.errors import CorruptStore, DataError
from prefrl.forms.folders import fresh, read_head, read_json, write_head, write_json
from prefrl.forms.parquet import arrow, read_table, read_tables, write_tables
from prefrl.store.data_set import DataSet
from prefrl.store.exchange import Export, damage_named
from prefrl.types import Array, EnvInfo, Segment

SIDE = "prefrl"
CHUNK = "chunk-000/file-000.parquet"
STATE, ACTION, NEXT, DONE = "observation.state", "action", "next.observation.state", "next.done"
FRAMES_PER_SECOND = 30  # where the environment does not say how long a step takes
# Never written: what a segment holds beside observations, actions and where it was cut.
LOST = ("true_reward", "factors", "cost", "states", "policy_action", "log_prob", "extras")


# --- out -------------------------------------------------------------------------------------------------------------


def write(data: DataSet, folder: Path) -> Counter[str]:
    """Clips as episodes; clips that are known by id only, from an import without arrays, are counted."""
    arrow("lerobot")
    content = data.content()
    ids = [row["id"] for row in content.items if row["kind"] == "segment"]
    held = data.held(ids)
    clips = [item for item in data.items(held, LOST).values() if isinstance(item, Segment)]
    frames = _frames(clips, content.env)
    with fresh(folder) as draft:
        side = draft / SIDE
        side.mkdir()
        write_head(side, content, episodes=[clip.id for clip in clips])
        lost = write_tables(content, side)
        _write_frames(draft, frames)
        _write_meta(draft, frames, [len(clip) for clip in clips], content.env)
    lost["clips without arrays"] += len(ids) - len(held)
    return +lost


def _frames(clips: Sequence[Segment], env: EnvInfo) -> dict[str, Array]:
    """Columns over all frames of all clips."""
    lengths = [len(clip) for clip in clips]
    index = np.concatenate([np.arange(n) for n in lengths]) if clips else np.zeros(0, np.int64)
    total = len(index)
    parts = {
        STATE: [np.asarray(clip.obs)[:-1] for clip in clips],
        ACTION: [np.asarray(clip.action) for clip in clips],
        NEXT: [np.asarray(clip.obs)[1:] for clip in clips],
    }
    return {
        **{name: _joined(name, found) for name, found in parts.items()},
        DONE: np.concatenate(
            [np.arange(len(c)) == len(c) - 1 if c.terminated else np.zeros(len(c), bool) for c in clips]
        )
        if clips
        else np.zeros(0, bool),
        "timestamp": (index / _rate(env)).astype(np.float32),
        "frame_index": index.astype(np.int64),
        "episode_index": np.repeat(np.arange(len(clips)), lengths).astype(np.int64),
        "index": np.arange(total),
        "task_index": np.zeros(total, np.int64),
    }


def _joined(name: str, parts: Sequence[Array]) -> Array:
    """(frames, n) of one type."""
    if not parts:
        return np.zeros((0, 1), np.float32)
    if len({part.dtype for part in parts} | {parts[0].dtype}) > 1 or len({part.shape[1:] for part in parts}) > 1:
        raise DataError(
            f"The clips hold {name} of different types or sizes, and LeRobot knows one: use --form parquet."
        )
    return np.concatenate([part.reshape(len(part), -1) for part in parts])


def _rate(env: EnvInfo) -> int:
    return max(1, round(1 / env.dt)) if env.dt else FRAMES_PER_SECOND


def _write_frames(folder: Path, frames: Mapping[str, Array]) -> None:
    pa, parquet = arrow()
    columns = {}
    for name, array in frames.items():
        if array.ndim == 2 and array.shape[1] > 1:
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])
        else:
            columns[name] = pa.array(array.ravel())
    path = folder / "data" / CHUNK
    path.parent.mkdir(parents=True)
    parquet.write_table(pa.table(columns), path)


def _write_meta(folder: Path, frames: Mapping[str, Array], lengths: Sequence[int], env: EnvInfo) -> None:
    total = len(frames["index"])
    task = env.task or env.id
    features = {
        name: {"dtype": str(array.dtype), "shape": [array.shape[1] if array.ndim == 2 else 1], "names": None}
        for name, array in frames.items()
    }
    info = {
        "codebase_version": "v3.0", "robot_type": env.id, "total_episodes": len(lengths), "total_frames": total,
        "total_tasks": 1, "chunks_size": 1000, "data_files_size_in_mb": 100, "video_files_size_in_mb": 200,
        "fps": _rate(env), "splits": {"train": f"0:{len(lengths)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet", "video_path": None, "features": features,
    }  # fmt: skip
    write_json(folder / "meta" / "info.json", info)
    write_json(
        folder / "meta" / "stats.json", {name: _statistics(array) for name, array in frames.items()} if total else {}
    )
    _write_tasks(folder / "meta" / "tasks.parquet", task)
    _write_episodes(folder / "meta" / "episodes" / CHUNK, lengths, task)


def _statistics(array: Array) -> dict[str, list[float]]:
    values = array.reshape(len(array), -1).astype(np.float64)
    found = {name: getattr(np, name)(values, axis=0).tolist() for name in ("min", "max", "mean", "std")}
    return {**found, "count": [len(values)]}


def _write_tasks(path: Path, task: str) -> None:
    """Task names are the index of a data frame there, which pandas reads off the file's metadata."""
    pa, parquet = arrow()
    column = {
        "metadata": None,
        "numpy_type": "int64",
        "pandas_type": "int64",
        "name": "task_index",
        "field_name": "task_index",
    }
    index = {"metadata": None, "numpy_type": "object", "pandas_type": "unicode", "name": "task", "field_name": "task"}
    pandas = {"index_columns": ["task"], "column_indexes": [], "columns": [column, index], "pandas_version": "2.0.0"}
    table = pa.table({"task_index": pa.array([0]), "task": pa.array([task])})
    parquet.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), path)


def _write_episodes(path: Path, lengths: Sequence[int], task: str) -> None:
    pa, parquet = arrow()
    ends = np.cumsum([0, *lengths])
    zeros = np.zeros(len(lengths), np.int64)
    columns = {
        "episode_index": np.arange(len(lengths)),
        "tasks": pa.array([[task]] * len(lengths), pa.list_(pa.string())),
        "length": np.asarray(lengths, np.int64),
        "dataset_from_index": ends[:-1],
        "dataset_to_index": ends[1:],
        "data/chunk_index": zeros,
        "data/file_index": zeros,
        "meta/episodes/chunk_index": zeros,
        "meta/episodes/file_index": zeros,
    }
    path.parent.mkdir(parents=True)
    parquet.write_table(pa.table(columns), path)


# --- in --------------------------------------------------------------------------------------------------------------


def read(folder: Path, env: EnvInfo | None) -> Export:
    """What `write` wrote: `CorruptStore` if a clip is not what its id says. See `prefrl.forms.Form.read`."""
    del env
    arrow("lerobot")
    content, head = read_head(folder / SIDE)
    read_tables(content, folder / SIDE)
    shapes = {STATE: content.env.obs_shape, ACTION: content.env.action_shape, NEXT: content.env.obs_shape}
    table = read_table(folder / "data" / CHUNK, [*shapes, "episode_index"])
    types = read_json(folder / "meta" / "info.json")
    with damage_named(str(folder)):
        columns = {
            name: _column(table, name, types["features"][name]["dtype"], shape) for name, shape in shapes.items()
        }
        ends = np.searchsorted(table.column("episode_index").to_numpy(), np.arange(len(head["episodes"]) + 1))
        data = {row["id"]: json.loads(row["data"]) for row in content.items}
        for key, start, stop in zip(head["episodes"], ends[:-1], ends[1:], strict=True):
            content.segments.append(_clip(key, data[key], {name: c[start:stop] for name, c in columns.items()}, folder))
    return content


def _column(table: Any, name: str, dtype: str, shape: tuple[int, ...]) -> Array:
    """(frames, *shape)."""
    column = table.column(name).combine_chunks()
    flat = column.flatten() if hasattr(column, "flatten") else column
    found: Array = np.asarray(flat.to_numpy(zero_copy_only=False), dtype).reshape(len(table), *shape)
    return found


def _clip(key: str, data: Mapping[str, Any], steps: Mapping[str, Array], folder: Path) -> Segment:
    obs = np.concatenate([steps[STATE], steps[NEXT][-1:]])
    clip = Segment.of(obs, np.array(steps[ACTION]), **data)
    if clip.id != key:
        raise CorruptStore(f"Episode {key} of {folder} does not match its id: restore the folder from a backup.")
    return clip
