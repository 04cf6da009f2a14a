"""The layout is LeRobotDataset v3.0's, and a clip that was changed on the way is noticed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefrl.errors import CorruptStore, DataError
from prefrl.forms import FORMS
from prefrl.store import DataSet, Store, open_store
from prefrl.types import EnvInfo, Preference, Query, Segment, Tiers

ENV = EnvInfo("Toy-v0", (3,), (), discrete_actions=2, dt=0.05, task="walk")


def clip(seed: int, steps: int, kind: type = np.float32) -> Segment:
    rng = np.random.default_rng(seed)
    return Segment.of(
        rng.normal(size=(steps + 1, 3)).astype(kind),
        rng.integers(0, 2, steps),
        true_reward=np.ones(steps),
        terminated=True,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(None, tmp_path) as opened:
        yield opened


@pytest.fixture
def data(store: Store) -> DataSet:
    data = store.data_set("toy", ENV)
    query = Query.of("run", 0, [clip(0, 4), clip(1, 2)])
    data.add_queries([query])
    data.add(Preference.of(query, Tiers(((0,), (1,))), source="human"))
    return data


def test_the_layout(data: DataSet, tmp_path: Path) -> None:
    FORMS["lerobot"].write(data, tmp_path / "out")
    files = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert files == [
        "data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet", "meta/info.json", "meta/stats.json",
        "meta/tasks.parquet", "prefrl/data_set.json", "prefrl/items.parquet", "prefrl/preferences.parquet", "prefrl/queries.parquet",
    ]  # fmt: skip
    info = json.loads((tmp_path / "out" / "meta" / "info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["splits"]) == ("v3.0", 20, {"train": "0:2"})
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (2, 6, 1)
    assert info["features"]["observation.state"] == {"dtype": "float32", "shape": [3], "names": None}
    assert info["features"]["action"] == {"dtype": "int64", "shape": [1], "names": None}
    frames = pq.read_table(tmp_path / "out" / "data/chunk-000/file-000.parquet")
    assert sorted(frames.column_names) == sorted(info["features"])
    assert frames.schema.field("observation.state").type == pa.list_(pa.float32(), 3)
    assert frames.column("episode_index").to_pylist() in ([0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1])  # by id
    assert frames.column("next.done").to_pylist().count(True) == 2
    assert frames.column("timestamp").to_pylist()[1] == pytest.approx(0.05)
    episodes = pq.read_table(tmp_path / "out" / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [one["tasks"] for one in episodes] == [["walk"], ["walk"]]
    assert (episodes[0]["dataset_to_index"], episodes[1]["dataset_to_index"]) == (episodes[1]["dataset_from_index"], 6)
    tasks = pq.read_table(tmp_path / "out" / "meta/tasks.parquet")
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]
    stats = json.loads((tmp_path / "out" / "meta" / "stats.json").read_text())
    assert stats["observation.state"]["count"] == [6]
    assert len(stats["observation.state"]["mean"]) == 3
    assert "reward" not in json.dumps([files, info, stats])


def test_a_changed_clip_is_noticed(data: DataSet, tmp_path: Path) -> None:
    FORMS["lerobot"].write(data, tmp_path / "out")
    path = tmp_path / "out" / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    action = pa.array([1 - a for a in table.column("action").to_pylist()])
    pq.write_table(table.set_column(table.column_names.index("action"), "action", action), path)
    with pytest.raises(CorruptStore, match="does not match its id"):
        FORMS["lerobot"].read(tmp_path / "out", None)


def test_clips_of_two_types_are_refused_and_those_without_arrays_counted(
    data: DataSet, store: Store, tmp_path: Path
) -> None:
    data.export(tmp_path / "toy.jsonl")
    copy = store.data_set("copy", ENV)
    copy.import_(tmp_path / "toy.jsonl")
    assert FORMS["lerobot"].write(copy, tmp_path / "bare") == {"clips without arrays": 2}
    assert FORMS["lerobot"].read(tmp_path / "bare", None).preferences == data.content().preferences
    data.add_queries([Query.of("run", 1, [clip(2, 4, np.float64), clip(3, 4)])])
    with pytest.raises(DataError, match=r"observation.state of different types"):
        FORMS["lerobot"].write(data, tmp_path / "mixed")
    assert not (tmp_path / "mixed").exists()
