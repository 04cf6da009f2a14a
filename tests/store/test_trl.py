"""To TRL's lines and back: what they can hold survives to the letter, and what they cannot is said and counted."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from prefrl.cli import main
from prefrl.errors import DataError
from prefrl.store.trl import LOST, of_lines, read_lines, to_lines, write_lines
from prefrl.types import Answer, Binary, Choice, Grades, Preference, Query, Segment, Text, Tiers

LINES = [
    {"prompt": "go", "chosen": "left", "rejected": "right", "margin": 0.5},
    {"prompt": "go", "chosen": "left", "rejected": "up"},
    {"prompt": 'say "é"', "completion": "yes\nno", "label": True},
    {"prompt": "go", "completion": "", "label": False},
    {"prompt": "go", "completions": ["a", "b", "c"], "ranks": [1, 0, -1]},
    {"prompt": "go", "completions": ["a", "b"], "ranks": [0, 0]},
    {"prompt": "go", "completions": ["a", "b", "c"], "best": 2, "margin": 1.0},
]


def texts(*completions: str) -> list[Text]:
    return [Text("go", completion) for completion in completions]


def asked(answer: Answer | None, *items: Text | Segment, **rest: object) -> tuple[Query, Preference]:
    query = Query.of("run", 3, items, why="because")
    return query, Preference.of(query, answer, source="ann", **rest)


def lines_of(*pairs: tuple[Query, Preference]) -> tuple[dict[str, list[dict[str, object]]], dict[str, int]]:
    found = to_lines([answer for _, answer in pairs], {query.id: query for query, _ in pairs})
    return found.lines, dict(found.lost)


def test_lines_survive_the_way_in_and_out() -> None:
    found, lost = lines_of(*of_lines(LINES, "texts"))
    assert [line for form in ("preference", "unpaired", "ranking", "choice") for line in found[form]] == LINES
    assert lost == {}


def test_answers_lose_what_is_declared_and_nothing_else() -> None:
    answers = [
        asked(Tiers(((1,), (0,))), *texts("a", "b"), strength=2.0, annotator="eve", seconds=3.0),
        asked(Tiers(((2,), (0, 1))), *texts("a", "b", "c")),
        asked(Choice(1), *texts("a", "b", "c")),
        asked(Binary((1.0,)), *texts("a")),
    ]
    found, lost = lines_of(*answers)
    assert lost == {}
    again = of_lines([line for lines in found.values() for line in lines], "run", source="ann")
    assert [answer.answer for _, answer in again] == [
        Tiers(((0,), (1,))), Tiers(((2,), (0, 1))), Choice(1), Binary((1.0,)),
    ]  # fmt: skip
    assert [item.completion for item in again[0][0].items if isinstance(item, Text)] == [
        "b",
        "a",
    ]  # the better one first
    kept = {field.name for field in fields(Preference)} - {*LOST, "answer"}
    for (_, before), (_, after) in zip(answers, again, strict=True):
        for name in kept:
            assert getattr(before, name) == getattr(after, name), name


def test_what_no_line_can_hold_is_counted() -> None:
    clip = Segment.of(np.zeros((3, 1)), np.zeros((2, 1)))
    found, lost = lines_of(
        asked(None, *texts("a", "b")), asked(Tiers(((0,), (1,))), clip, replace(clip, id="other")),
        asked(Tiers(((0,), (1,))), Text("go", "a"), Text("stop", "a")), asked(Binary((0.5, 1.0)), *texts("a", "b")),
        asked(Grades((1.0, 2.0)), *texts("a", "b")),
    )  # fmt: skip
    assert found == {"unpaired": [{"prompt": "go", "completion": "b", "label": True}]}
    assert lost == {
        "skips": 1, "answers about clips, which are no texts": 1, "answers about texts of several prompts": 1,
        "thumbs that are neither up nor down": 1, "grades and triplets": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "line", [{"prompt": "go"}, {"prompt": "go", "completions": ["a"], "ranks": [0, 1]}, {"chosen": "a"}]
)
def test_a_line_of_no_form_is_named(line: dict[str, object]) -> None:
    with pytest.raises(DataError, match="line 2: "):
        of_lines([LINES[0], line], "texts")


def test_files_hold_one_form_each(tmp_path: Path) -> None:
    found = to_lines(
        [answer for _, answer in of_lines(LINES, "x")], {query.id: query for query, _ in of_lines(LINES, "x")}
    )
    paths = write_lines(tmp_path / "out", found)
    assert [path.name for path in paths] == ["preference.jsonl", "unpaired.jsonl", "ranking.jsonl", "choice.jsonl"]
    assert sorted(map(json.dumps, read_lines(tmp_path / "out"))) == sorted(map(json.dumps, LINES))
    assert json.loads((tmp_path / "out" / "lost.json").read_text())["never_written"] == list(LOST)


def test_the_command_line_round_trip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    assert main(["data", "import", "given.jsonl", "texts", "--form", "trl"]) == 0
    assert capsys.readouterr().out == "texts: 7 lines, 7 new answers\n"
    assert main(["data", "import", "given.jsonl", "texts", "--form", "trl"]) == 0
    assert "7 lines, 0 new answers" in capsys.readouterr().out
    assert main(["data", "export", "texts", "out", "--form", "trl"]) == 0
    assert sorted(map(json.dumps, read_lines(tmp_path / "out"))) == sorted(map(json.dumps, LINES))
    assert main(["data", "export", "texts", "native.jsonl"]) == 0
    assert main(["data", "import", "native.jsonl", "copy"]) == 0
    assert "copy: 7 new questions, 7 new answers" in capsys.readouterr().out
