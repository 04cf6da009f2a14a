"""A spreadsheet runs no cell of ours, every cell comes back, and damage is one sentence."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl.errors import ConfigError, DataError
from prefrl.forms.spreadsheet import RISKY, bare, guarded, read, write
from prefrl.store import Store, open_store
from prefrl.types import EnvInfo, Preference, Query, Rationale, Text, Tiers

FORMULAS = [
    "=1+1",
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    '=HYPERLINK("http://x")',
    "＝1",
    "=cmd|'/c calc'!A0",
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("csv")
    with open_store(None, folder) as store:
        fill(store)
        write(store.data_set("toy"), folder / "out")
    return folder / "out"


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "out"))


def fill(store: Store) -> None:
    data = store.data_set("toy", EnvInfo("Text-v0", (), ()))
    for i, formula in enumerate(FORMULAS):
        query = Query.of("run", i, [Text("?", "a"), Text("?", "b")], why=formula)
        data.add_queries([query])
        reason = Rationale(text=formula, factor=formula)
        data.add(
            Preference.of(
                query, Tiers(((0,), (1,))), source="human", annotator=formula, group=formula, rationale=reason
            )
        )


def test_no_cell_is_a_formula(folder: Path) -> None:
    for path in folder.glob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                for name, cell in row.items():
                    assert not cell.lstrip(" ").startswith(tuple(risk for risk in RISKY if risk != "'")), (
                        path.name,
                        name,
                    )
    assert (
        folder.joinpath("preferences.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    )  # by which a spreadsheet knows UTF-8


def test_they_come_back_as_they_were(folder: Path) -> None:
    content = read(folder, None)
    assert [preference.annotator for preference in content.preferences] == FORMULAS
    assert [preference.rationale.text for preference in content.preferences] == FORMULAS
    assert [row["why"] for row in content.queries] == FORMULAS


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text() | st.sampled_from(FORMULAS).map(lambda text: "'" + text))
def test_guarding_is_undone_to_the_letter(text: str) -> None:
    assert bare(guarded(text)) == text
    assert guarded(text) != ""
    assert not guarded(text).lstrip(" ").startswith(tuple(risk for risk in RISKY if risk != "'"))


def test_columns_may_be_moved(folder: Path) -> None:
    path = folder / "queries.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["note", *reversed(list(rows[0]))])
        writer.writeheader()
        writer.writerows([{"note": "mine", **row} for row in rows])
    assert [row["why"] for row in read(folder, None).queries] == FORMULAS


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("queries.csv", lambda text: text.replace("question", "qestion", 1), "has no column 'question'"),
        ("preferences.csv", lambda text: text.replace('"created"', '"x"', 1), "has no column 'created'"),
        ("preferences.csv", lambda text: text.replace("tiers", "tears", 1), r"preferences.csv:1 is damaged \(KeyError"),
        ("preferences.csv", lambda text: text.replace('",0,"answered"', '",zero,"answered"', 1), r"preferences.csv:1 is damaged \(ValueError"),
        ("items.csv", lambda text: text.replace('"text"', "", 1), r"items.csv:1 is damaged \(ValueError: kind is empty"),
        ("items.csv", lambda text: text + '"a\n', "is damaged, no CSV"),
        ("items.csv", lambda text: text + '"a"\n', r"items.csv:3 is damaged"),
        ("data_set.json", lambda text: text.replace('"schema_version": 1', '"schema_version": 2'), "has schema version 2, this prefrl reads 1"),
        ("data_set.json", lambda text: text[:-9], "is damaged, no JSON"),
        ("data_set.json", lambda text: text.replace('"env"', '"enf"'), r"data_set.json is damaged \(KeyError"),
    ],
)  # fmt: skip
def test_damage_is_one_sentence(folder: Path, name: str, change: object, words: str) -> None:
    path = folder / name
    text = path.read_text(encoding="utf-8-sig")
    assert change(text) != text  # type: ignore[operator]
    path.write_text(change(text), encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(DataError, match=words):
        read(folder, None)


def test_what_is_not_there_and_what_is_not_text(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data_set.json cannot be read: No such file"):
        read(tmp_path / "nowhere", None)
    (folder / "items.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        read(folder, None)
    (folder / "items.csv").unlink()
    with pytest.raises(ConfigError, match=r"items.csv cannot be read"):
        read(folder, None)
