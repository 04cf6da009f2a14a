"""What ``prefrl data`` prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefrl.cli import main

CONFIG = "env: {id: Pendulum-v1, n_envs: 2}\nalgo: {name: ppo}\nfeedback: {total: 5, segment: 10}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(CONFIG)
    return tmp_path


def test_collect_list_show_and_export(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "collect", "run.yaml", "--name", "clips", "--episodes", "2"]) == 0
    assert capsys.readouterr().out == "clips: 5 new questions about 2 episodes of Pendulum-v1 (400 steps); 5 are open\n"
    assert main(["data", "collect", "run.yaml", "--name", "more", "--queries", "2", "--seed", "3", "--json"]) == 0
    collected = json.loads(capsys.readouterr().out)
    assert (collected["name"], collected["episodes"], collected["queries"]) == ("more", 20, 2)

    assert main(["data", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:6] for line in lines] == [
        ["clips", "Pendulum-v1", "5", "questions", "0", "answers"],
        ["more", "Pendulum-v1", "2", "questions", "0", "answers"],
    ]
    assert main(["data", "list", "--json"]) == 0
    assert [one["queries"] for one in json.loads(capsys.readouterr().out)] == [5, 2]

    assert main(["data", "show", "clips"]) == 0
    shown = capsys.readouterr().out
    assert "questions  5, of which 5 open" in shown
    assert "a pair of 2 clips of 10 steps about reward" in shown
    assert main(["data", "show", "clips", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["open"] == 5

    assert main(["data", "export", "clips", "clips.jsonl"]) == 0
    assert len((here / "clips.jsonl").read_text().splitlines()) == 1 + 10 + 5


def test_looking_where_nothing_is_creates_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    assert main(["data", "list", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"
    assert main(["data", "show", "clips"]) == 1
    assert "there is no data set 'clips'" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["run.yaml"]


def test_mistakes_are_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "collect", "run.yaml", "--name", "clips", "--policy", "x", "--from", "y"]) == 2
    assert "--from: recorded episodes need no --policy" in capsys.readouterr().err
    assert main(["data", "collect", "run.yaml", "--name", "clips", "--policy", "nobody"]) == 2
    assert "--policy nobody: neither a run folder nor" in capsys.readouterr().err
    assert main(["data", "show", "clps", "--store", "sqlite:///runs/prefrl.sqlite"]) == 1
    assert "Did you mean 'clips'?" in capsys.readouterr().err


def test_sources_answer_what_is_open(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "teacher.yaml").write_text(CONFIG + "sources: {oracle: {}}\n")
    assert main(["data", "collect", "run.yaml", "--name", "clips", "--episodes", "1", "--queries", "4"]) == 0
    capsys.readouterr()
    assert main(["data", "answer", "run.yaml", "--name", "clips"]) == 2
    assert "sources: there is nobody to answer" in capsys.readouterr().err
    assert main(["data", "answer", "teacher.yaml", "--name", "clips"]) == 0
    said = capsys.readouterr().out
    assert said == "clips: of 4 open questions 4 were answered and 0 skipped; 0 are open\n"
    assert main(["data", "answer", "teacher.yaml", "--name", "clips", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["asked"] == 0
    assert main(["data", "answer", "teacher.yaml", "--name", "none"]) == 1
    assert "no data set 'none'" in capsys.readouterr().err
