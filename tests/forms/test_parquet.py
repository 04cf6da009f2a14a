"""Parquet tables are typed, and what is missing or damaged is one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest

from prefrl.cli import main
from prefrl.errors import ConfigError, DataError, EnvironmentMissing
from prefrl.forms import FORMS
from prefrl.store import DataSet, open_store
from prefrl.types import EnvInfo, Preference, Query, Rationale, Text, Tiers


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataSet]:
    with open_store(None, tmp_path / "runs") as store:
        data = store.data_set("toy", EnvInfo("Text-v0", (), ()))
        query = Query.of("run", 0, [Text("?", "a"), Text("?", "b")])
        data.add_queries([query])
        data.add(
            Preference.of(
                query, Tiers(((0,), (1,))), source="human", strength=0.5, rationale=Rationale(text="\ud83e ü")
            )
        )
        yield data


def test_columns_have_types(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "export", "toy", "out", "--form", "parquet"]) == 0
    assert "left out: 1 reasons with halves of surrogate pairs" in capsys.readouterr().out
    table = pyarrow.parquet.read_table(tmp_path / "out" / "preferences.parquet")
    types = {field.name: (str(field.type), field.nullable) for field in table.schema}
    assert types["strength"] == ("double", True)
    assert types["revision"] == ("int64", False)
    assert types["source"] == ("string", False)
    assert table.column("strength").to_pylist() == [0.5]
    assert FORMS["parquet"].read(tmp_path / "out", None).preferences[0].rationale.text == "? ü"


def test_without_pyarrow(data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for form in ("parquet", "lerobot"):
        sentence = rf"The form {form} needs the package pyarrow: pip install 'prefrl\[parquet\]', or use --form csv"
        with pytest.raises(EnvironmentMissing, match=sentence):
            FORMS[form].write(data, tmp_path / "out")
        with pytest.raises(EnvironmentMissing, match=sentence):
            FORMS[form].read(tmp_path / "out", None)
    assert not (tmp_path / "out").exists()


def test_damage_is_one_sentence(data: DataSet, tmp_path: Path) -> None:
    FORMS["parquet"].write(data, tmp_path / "out")
    path = tmp_path / "out" / "queries.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(DataError, match=r"queries.parquet is damaged"):
        FORMS["parquet"].read(tmp_path / "out", None)
    path.write_bytes((tmp_path / "out" / "items.parquet").read_bytes())
    with pytest.raises(DataError, match=r"queries.parquet is damaged .*question"):
        FORMS["parquet"].read(tmp_path / "out", None)
    path.unlink()
    with pytest.raises(ConfigError, match=r"queries.parquet cannot be read: No such file"):
        FORMS["parquet"].read(tmp_path / "out", None)
