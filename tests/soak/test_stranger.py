"""A stranger's afternoon: an environment that holds nothing but the built wheels and what they ask for, by pip and by uv.

Downloads what the wheels depend on; `TORCH_INDEX` chooses torch's index, as in `make setup`. What is timed begins after.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 180.0  # seconds from the first command to a trained policy


@pytest.fixture(scope="module")
def kit(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("integration/stranger.py")


@pytest.fixture(scope="module")
def wheels(kit: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for distribution in kit.DISTRIBUTIONS:
        kit.build(sys.executable, distribution, folder)
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *folder.iterdir()], check=True)
    return folder


def _tree() -> str:
    """Every file of prefrl that git knows, with its content."""
    git = ["git", "-C", str(ROOT), "status", "--porcelain"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_from_wheels_to_a_trained_policy(tool: str, kit: ModuleType, wheels: Path, tmp_path: Path) -> None:
    python, install = environment(tool, tmp_path / "env", wheels)
    home = tmp_path / "somewhere else"
    home.mkdir()
    before, begun = _tree(), time.monotonic()
    afternoon(kit, home, python, install)
    spent = time.monotonic() - begun
    print(f"{tool}: {spent:.0f} s")
    assert spent < LIMIT
    assert _tree() == before


def afternoon(kit: ModuleType, home: Path, python: Path, install: Callable[..., None]) -> None:
    """New, install, its own tests, check, a YAML, train, report."""
    stranger: Any = kit.Stranger(home, python, {})
    assert ROOT not in stranger.where().parents
    stranger.prefrl("plugins", "new", "my-teacher", "--kind", "source")
    install(str(home / "my-teacher"))
    stranger.does("-m", "pytest", "-q", "my-teacher")
    (checked,) = json.loads(stranger.prefrl("plugins", "check", "my-teacher", "--json"))
    assert {verdict["status"] for verdict in checked["promises"]} == {"kept"}
    (home / "first.yaml").write_text(kit.YAML, encoding="utf-8")
    stranger.prefrl("train", "first.yaml")
    stranger.prefrl("report", "runs/first")
    manifest = json.loads((home / "runs" / "first" / "manifest.json").read_text())
    assert (manifest["status"], manifest["steps"]) == ("ok", 512)
    print("\n".join(f"{seconds:6.1f} s  {command}" for command, seconds in stranger.took.items()))


def environment(tool: str, folder: Path, wheels: Path) -> tuple[Path, Callable[..., None]]:
    """(its Python, what installs into it): torch first, then our wheels under the tested versions."""
    subprocess.run([sys.executable, "-m", "venv", *(["--without-pip"] * (tool == "uv")), str(folder)], check=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "-q"]
    if tool == "uv":
        found = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
        command = [found, "pip", "install", "-q", "--python", str(python)]

    def install(*what: str) -> None:
        constraints = ["-c", str(ROOT / "constraints.txt")]
        subprocess.run([*command, *constraints, *what], check=True)

    index = os.environ.get("TORCH_INDEX")
    install("torch", *(["--index-url", index] if index else []))
    install(*map(str, wheels.glob("*.whl")), "pytest")
    return python, install
