"""The label triple of the field: real labels come in, pairs go out with their steps, damage is one sentence."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from prefrl.cli import main
from prefrl.errors import ConfigError, DataError
from prefrl.forms import FORMS
from prefrl.store import Store, open_store
from prefrl.types import EnvInfo, Preference, Query, Segment, Text, Tiers

REAL = Path(__file__).parents[1] / "data" / "human_labels"
ENV = EnvInfo("Toy-v0", (3,), (2,))
FIRST, SECOND, TIE = Tiers(((0,), (1,))), Tiers(((1,), (0,))), Tiers(((0, 1),))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(None, tmp_path) as opened:
        yield opened


def clip(seed: int, steps: int = 4) -> Segment:
    rng = np.random.default_rng(seed)
    return Segment.of(
        rng.normal(size=(steps + 1, 3)), rng.normal(size=(steps, 2)), terminated=seed == 1, env_id="Toy-v0"
    )


def test_real_labels_come_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "import", str(REAL), "lift", "--form", "d4rl"]) == 0
    assert capsys.readouterr().out == "lift: 100 new questions, 100 new answers\n"
    with open_store(None, tmp_path / "runs") as store:
        data = store.data_set("lift")
        answers = Counter(preference.answer for _, preference in data.current())
        assert answers == {TIE: 55, FIRST: 35, SECOND: 10}
        row = data.content().queries[0]
        assert row["kind"] == "pair"
        starts = {item["id"]: item["data"] for item in data.content().items}
        assert '"start":257' in starts[json.loads(row["items"])[0]]
    assert main(["data", "import", str(REAL), "lift", "--form", "d4rl"]) == 0
    assert capsys.readouterr().out == "lift: 0 new questions, 0 new answers\n"


def test_answers_come_back_with_clips_to_learn_from(store: Store, tmp_path: Path) -> None:
    data = store.data_set("toy", ENV)
    queries = [Query.of("run", i, [clip(2 * i), clip(2 * i + 1)]) for i in range(4)]
    data.add_queries(queries)
    for query, answer in zip(queries, (FIRST, SECOND, TIE, None), strict=True):
        data.add(Preference.of(query, answer, source="oracle"))
    assert FORMS["d4rl"].write(data, tmp_path / "out") == {"skips": 1}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dataset.npz", "indices_2_num3_q4", "indices_num3_q4", "label_human",
    ]  # fmt: skip
    assert pickle.loads((tmp_path / "out" / "label_human").read_bytes()) == [0, 1, -1]
    content = FORMS["d4rl"].read(tmp_path / "out", None)
    assert (content.env.id, content.env.obs_shape, content.env.action_shape) == ("out", (3,), (2,))
    copy = store.data_set("copy", content.env)
    copy.absorb(content)
    back = [copy.query(p.query_id).items for _, p in copy.current()]
    assert [[item.id for item in items] for items in back] == [[item.id for item in q.items] for q in queries[:3]]
    assert back[0][1].terminated  # type: ignore[union-attr]


def test_what_cannot_be_written_is_counted(store: Store, tmp_path: Path) -> None:
    data = store.data_set("toy", ENV)
    asked = [
        (Query.of("r", 0, [clip(0), clip(1)]), FIRST),
        (Query.of("r", 1, [clip(2, 3), clip(3, 3)]), FIRST),
        (Query.of("r", 2, [clip(2, 3), clip(0)]), FIRST),
        (Query.of("r", 3, [clip(0), clip(1), clip(4)], kind="ranking"), Tiers(((0,), (1,), (2,)))),
        (Query.of("r", 4, [Text("a", "b"), Text("a", "c")]), FIRST),
        (Query.of("r", 5, [clip(4), clip(1)]), SECOND),
    ]
    data.add_queries([query for query, _ in asked])
    for query, answer in asked:
        data.add(Preference.of(query, answer, source="oracle"))
    assert FORMS["d4rl"].write(data, tmp_path / "out") == {
        "answers about clips of another length": 1,
        "answers about clips of different lengths": 1,
        "answers that are no order of two clips": 1,
        "answers about texts and programs": 1,
    }
    assert len(FORMS["d4rl"].read(tmp_path / "out", ENV).preferences) == 2


def written(folder: Path, labels: object, starts: object = (0, 1), name: str = "_num2_q2") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "label_human").write_bytes(pickle.dumps(labels))
    for prefix in ("indices", "indices_2"):
        (folder / f"{prefix}{name}").write_bytes(pickle.dumps(list(starts)))  # type: ignore[call-overload]
    return folder


def test_other_spellings_of_labels(tmp_path: Path) -> None:
    labels = [0, 1.0, -1, 0.5, [1, 0], [0.0, 1.0], [0.5, 0.5]]
    content = FORMS["d4rl"].read(written(tmp_path / "in", labels, range(7)), ENV)
    assert [p.answer for p in content.preferences] == [FIRST, SECOND, TIE, TIE, FIRST, SECOND, TIE]


def test_faults_are_sentences(tmp_path: Path) -> None:
    read = FORMS["d4rl"].read
    with pytest.raises(ConfigError, match=r"holds 0 files indices_num\*"):
        read(tmp_path, ENV)
    with pytest.raises(DataError, match="does not say how long a clip is"):
        read(written(tmp_path / "a", [0, 1], name="_num2"), ENV)
    with pytest.raises(DataError, match=r"3 labels for 2 and 2 clips"):
        read(written(tmp_path / "b", [0, 1, 1]), ENV)
    with pytest.raises(DataError, match=r"answer 2 has label 7; known are 0"):
        read(written(tmp_path / "c", [0, 7]), ENV)
    with pytest.raises(DataError, match="begins at step -1"):
        read(written(tmp_path / "d", [0, 1], [0, -1]), ENV)
    with pytest.raises(DataError, match=r"no pickle of plain numbers \(it does EMPTY_DICT"):
        read(written(tmp_path / "e", {}), ENV)
    folder = written(tmp_path / "f", [0, 1], [0, 9])
    steps = {"observations": np.zeros((10, 3)), "actions": np.zeros((10, 2)), "next_observations": np.zeros((10, 3))}
    np.savez(folder / "dataset.npz", **steps)
    with pytest.raises(DataError, match=r"begins at step 9, and dataset.npz has 10 steps"):
        read(folder, ENV)
    with pytest.raises(DataError, match=r"of shape \(3,\) and \(2,\), Other has \(4,\)"):
        read(folder, EnvInfo("Other", (4,), (2,)))
    np.savez(folder / "dataset.npz", observations=np.zeros((10, 3)))
    with pytest.raises(DataError, match="holds no actions"):
        read(folder, ENV)
    (folder / "dataset.npz").write_bytes(b"no zip")
    with pytest.raises(DataError, match="is no npz"):
        read(folder, ENV)
