"""Tasks for Label Studio hold its own results, hide what people must not see, and its exports come in."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefrl.cli import main
from prefrl.errors import ConfigError, DataError
from prefrl.forms import FORMS
from prefrl.forms.results import configuration, said
from prefrl.store import Clip, DataSet, Store, open_store
from prefrl.types import Choice, EnvInfo, Grades, Preference, Query, Segment, Text, Tiers, Triplet

ENV = EnvInfo("Toy-v0", (3,), (2,))
CLIPS = [Segment.of(np.full((3, 3), i), np.zeros((2, 2))) for i in range(3)]
PAIR = Query.of("run", 0, CLIPS[:2], why="known [[0],[1]]")
LIST = Query.of("run", 1, CLIPS, kind="ranking")
TEXTS = Query.of("run", 2, [Text("say", "<b>yes</b>"), Text("say", "no")], kind="grade")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(None, tmp_path / "runs") as opened:
        yield opened


@pytest.fixture
def data(store: Store) -> DataSet:
    data = store.data_set("toy", ENV)
    data.add_queries([PAIR, LIST, TEXTS])
    data.add_clip(Clip("c", CLIPS[0].id, "videos/toy/a.mp4", "h264", 64, 64, 20.0, "0" * 64))
    data.add(Preference.of(PAIR, Tiers(((1,), (0,))), source="human", annotator="ann", seconds=2.5, created=1e9))
    data.add(Preference.of(LIST, Tiers(((2,), (0, 1))), source="human", annotator="ann"))
    data.add(Preference.of(TEXTS, None, source="human", annotator="ann"))
    return data


def tasks(folder: Path, kind: str) -> Any:
    return json.loads((folder / f"{kind}.json").read_text())


def test_tasks_hold_label_studios_own_results(data: DataSet, tmp_path: Path) -> None:
    FORMS["label_studio"].write(data, tmp_path / "out")
    (task,) = tasks(tmp_path / "out", "pair")
    assert [item["id"] for item in task["data"]["items"]] == ["1", "2"]
    assert 'src="/data/local-files/?d=videos/toy/a.mp4"' in task["data"]["items"][0]["html"]
    (annotation,) = task["annotations"]
    assert annotation["result"] == [
        {"from_name": "order", "to_name": "clips", "type": "choices", "value": {"choices": ["the second"]}}
    ]
    assert (annotation["was_cancelled"], annotation["lead_time"], annotation["created_at"]) == (
        False,
        2.5,
        "2001-09-09T01:46:40+00:00",
    )
    (annotation,) = tasks(tmp_path / "out", "ranking")[0]["annotations"]
    assert annotation["result"][0]["value"] == {"ranker": {"_": [], "tier 1": ["3"], "tier 2": ["1", "2"]}}
    (task,) = tasks(tmp_path / "out", "grade")
    assert task["annotations"][0]["was_cancelled"]
    assert task["data"]["items"][0]["html"] == "&lt;b&gt;yes&lt;/b&gt;"


def test_people_do_not_see_why_a_question_is_asked(data: DataSet, tmp_path: Path) -> None:
    FORMS["label_studio"].write(data, tmp_path / "out")
    (task,) = tasks(tmp_path / "out", "pair")
    assert "known" not in json.dumps(task["data"])
    assert task["meta"] == {"why": "known [[0],[1]]", "round": 0}


def test_configurations_name_every_control(data: DataSet, tmp_path: Path) -> None:
    data.add(Preference.of(PAIR, Choice(1), source="human", annotator="bob"))
    FORMS["label_studio"].write(data, tmp_path / "out")
    controls = {
        path.stem: [node.attrib["name"] for node in ET.parse(path).iter() if "toName" in node.attrib]
        for path in (tmp_path / "out").glob("*.xml")
    }
    assert controls == {"pair": ["order", "best"], "ranking": ["ranking"], "grade": ["grade-1", "grade-2"]}
    for names in (["closer"], ["thumb"], ["ranking", "best"]):
        ET.fromstring(configuration(names, 4))


def labelled(task: dict[str, Any], *annotations: dict[str, Any]) -> dict[str, Any]:
    """As Label Studio exports it: without what it does not know, with ids of its own."""
    given = [
        {
            "id": 7,
            "created_at": "2026-11-20T10:00:00.000000Z",
            "lead_time": 3.5,
            "was_cancelled": False,
            "result": [],
            **one,
        }
        for one in annotations
    ]
    return {"id": 31, "data": task["data"], "meta": {}, "annotations": given, "project": 4}


def test_what_label_studio_exported_comes_in(
    data: DataSet, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    FORMS["label_studio"].write(data, tmp_path / "out")
    pair, ranking = tasks(tmp_path / "out", "pair")[0], tasks(tmp_path / "out", "ranking")[0]
    exported = [
        labelled(
            pair,
            {"completed_by": 5, "result": [{"from_name": "pw", "type": "pairwise", "value": {"selected": "left"}}]},
            {"completed_by": {"id": 6, "email": "bob@lab"}, "was_cancelled": True},
            {"completed_by": 5, "created_at": "2026-11-20T11:00:00Z", "result": [{"from_name": "order", "type": "choices", "value": {"choices": ["equally good"]}}]},
        ),
        labelled(ranking, {"completed_by": 5, "result": [{"from_name": "r", "type": "ranker", "value": {"ranker": {"rank": ["2", "1", "3"]}}}]}),
    ]  # fmt: skip
    (tmp_path / "project.json").write_text(json.dumps(exported))
    assert main(["data", "import", "project.json", "toy", "--form", "label_studio"]) == 0
    assert capsys.readouterr().out == "toy: 0 new questions, 4 new answers\n"
    came = [preference for _, preference in data.preferences() if preference.source == "label_studio"]
    assert [(one.annotator, one.revision, one.answer) for one in came] == [
        ("5", 0, Tiers(((0,), (1,)))), ("bob@lab", 0, None), ("5", 0, Tiers(((1,), (0,), (2,)))), ("5", 1, Tiers(((0, 1),))),
    ]  # fmt: skip
    assert came[0].seconds == 3.5
    assert main(["data", "import", "project.json", "toy", "--form", "label_studio"]) == 0
    assert "0 new answers" in capsys.readouterr().out


def test_single_results() -> None:
    number = [{"from_name": f"grade-{i}", "type": "number", "value": {"number": i / 2}} for i in (2, 1)]
    assert said(number) == Grades((0.5, 1.0))
    assert said([{"from_name": "closer", "type": "choices", "value": {"choices": ["3"]}}]) == Triplet(2)
    assert said([{"from_name": "r", "type": "ranker", "value": {"ranker": ["2", "1"]}}]) == Tiers(((1,), (0,)))


def test_faults_are_sentences(data: DataSet, tmp_path: Path) -> None:
    read = FORMS["label_studio"].read
    with pytest.raises(ConfigError, match=r"data_set.json cannot be read|cannot be read"):
        read(tmp_path / "nowhere.json", ENV)
    file = tmp_path / "project.json"
    file.write_text("{}")
    with pytest.raises(DataError, match="is no list of tasks"):
        read(file, ENV)
    with pytest.raises(DataError, match="holds tasks alone"):
        read(file, None)
    file.write_text(json.dumps([{"data": {}}]))
    with pytest.raises(DataError, match=r"project.json: task 1 is damaged \(KeyError"):
        read(file, ENV)
    FORMS["label_studio"].write(data, tmp_path / "out")
    task = tasks(tmp_path / "out", "pair")[0]
    file.write_text(json.dumps([labelled(task, {"result": [{"type": "textarea", "from_name": "t", "value": {}}]})]))
    with pytest.raises(DataError, match="no result is an answer"):
        read(file, ENV)
