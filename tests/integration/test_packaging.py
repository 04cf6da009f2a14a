"""Every distribution as it would be shipped: what is in its wheel and sdist, and what they say of themselves."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from email import message_from_string
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT, ROOT / "envs", *sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))]
BUILT = [ROOT, ROOT / "envs", ROOT / "plugins" / "prefrl-example"]  # tests/soak/test_stranger.py builds the others too
LICENSE = (ROOT / "LICENSE").read_text(encoding="utf-8")


def project(folder: Path) -> dict[str, Any]:
    whole = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, Any] = whole["project"]
    return found


VERSION = project(ROOT)["version"]


@pytest.fixture(scope="module")
def kit(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("integration/stranger.py")


@pytest.mark.parametrize("folder", BUILT, ids=lambda folder: project(folder)["name"])
def test_a_wheel_and_an_sdist_hold_what_they_should(folder: Path, kit: ModuleType, tmp_path: Path) -> None:
    wheel, sdist = sorted(kit.build(sys.executable, folder, tmp_path), key=lambda path: path.suffix != ".whl")
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", wheel, sdist], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    package = project(folder)["name"].replace("-", "_")
    with zipfile.ZipFile(wheel) as inside:
        names = inside.namelist()
        metadata = message_from_string(inside.read(f"{package}-{VERSION}.dist-info/METADATA").decode())
        assert inside.read(f"{package}-{VERSION}.dist-info/licenses/LICENSE").decode() == LICENSE
        if folder.parent.name == "plugins":
            assert "[prefrl]" in inside.read(f"{package}-{VERSION}.dist-info/entry_points.txt").decode()
    assert {name.split("/")[0] for name in names} == {package, f"{package}-{VERSION}.dist-info"}
    assert not [name for name in names if "/tests/" in name or name.endswith((".pyc", ".sqlite"))]
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert len(metadata.get_payload()) > 200  # the README
    with tarfile.open(sdist) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"LICENSE", "README.md", "pyproject.toml"} <= held
    if folder == ROOT:
        assert {"prefrl/configs/methods/pebble.yaml", "prefrl/scaffold/templates/init.py.j2"} <= set(names)
        assert {"CHANGELOG.md", "CITATION.cff", "constraints.txt"} <= held
        assert not [name for name in held if name.startswith(("plugins", "envs", "docs", "tests"))]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: project(folder)["name"])
def test_a_distribution_says_the_same_as_the_others(folder: Path) -> None:
    said = project(folder)
    assert (said["version"], said["license"], said["license-files"]) == (VERSION, "MIT", ["LICENSE"])
    assert (folder / "LICENSE").read_text(encoding="utf-8") == LICENSE
    assert said["description"].endswith(".")
    assert "test" in said["optional-dependencies"]
    if folder.parent.name == "plugins":
        ours = next(requirement for requirement in said["dependencies"] if re.match(r"prefrl[ >]", requirement))
        major, minor = VERSION.split(".")[:2]
        assert ours == f"prefrl>={major}.{minor},<{major}.{int(minor) + 1}"


def test_the_version_is_the_same_wherever_it_is_written() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {VERSION}\n" in citation
    assert "license: MIT\n" in citation
    newest = re.search(r"^## (\S+)", changes, flags=re.MULTILINE)
    assert newest is not None
    assert newest[1] == VERSION
