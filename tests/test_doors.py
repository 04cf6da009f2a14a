from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from prefrl import doors
from prefrl.errors import ConfigError


def test_installed_plugins_are_listed_from_metadata_sorted_and_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise AssertionError("imported")

    entries = [SimpleNamespace(name=name, value=name, dist=None, load=load) for name in ("b", "a")]
    monkeypatch.setattr("prefrl.doors.metadata.entry_points", lambda group: entries if group == "prefrl" else [])
    assert [found.record.name for found in doors.installed({})] == ["a", "b"]
    assert [found.record.name for found in doors.installed({"PREFRL_LOAD_PLUGINS": "b, c"})] == ["b"]
    assert list(doors.installed({"PREFRL_LOAD_PLUGINS": ""})) == []


def test_our_oracle_is_found_like_a_strangers() -> None:
    (oracle,) = (found.record for found in doors.installed({}) if found.record.name == "oracle")
    assert oracle.distribution == "prefrl-oracle"
    assert oracle.version
    assert oracle.status == "installed"


def test_each_file_of_a_folder_is_a_plugin_but_for_private_ones(tmp_path: Path) -> None:
    (tmp_path / "teacher.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: 'int' = 3\n", encoding="utf-8"
    )
    (tmp_path / "_shared.py").write_text("1 / 0", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("", encoding="utf-8")
    (found,) = doors.files(tmp_path)
    assert (found.record.name, found.record.distribution) == ("teacher", str(tmp_path / "teacher.py"))
    assert found.load().A().x == 3  # type: ignore[attr-defined]
    assert [one.record.name for one in doors.every(tmp_path)][-1] == "teacher"
    assert doors.every()[0].record.name == "prefrl.builtin"


def test_a_file_that_fails_leaves_no_half_module(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0", encoding="utf-8")
    before = set(sys.modules)
    with pytest.raises(ZeroDivisionError):
        next(doors.files(tmp_path)).load()
    assert set(sys.modules) == before


def test_a_folder_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        list(doors.files(tmp_path / "plugins"))


def test_listing_needs_neither_numpy_nor_pydantic() -> None:
    code = "import sys, prefrl.doors as d; d.every(); assert not {'numpy', 'pydantic', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
