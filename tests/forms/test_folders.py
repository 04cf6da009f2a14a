"""An exported folder is whole or absent, and never takes the place of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefrl.errors import ConfigError, RunError
from prefrl.forms.folders import fresh


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    with fresh(tmp_path / "a" / "out") as draft:
        (draft / "file").write_text("x")
        assert not (tmp_path / "a" / "out").exists()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]
    assert (tmp_path / "a" / "out" / "file").read_text() == "x"


def interrupted(folder: Path) -> None:
    with fresh(folder) as draft:
        (draft / "file").write_text("x")
        raise KeyboardInterrupt


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with fresh(tmp_path / "empty") as draft:
        (draft / "file").write_text("x")
    for name in ("empty", "empty/file"):
        with (
            pytest.raises(ConfigError, match=r"is there already, and an export overwrites nothing"),
            fresh(tmp_path / name),
        ):
            pass
    with pytest.raises(RunError, match="cannot be written"), fresh(tmp_path / "empty" / "file" / "out"):
        pass
