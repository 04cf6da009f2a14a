"""A stranger's afternoon in seconds: built wheels of prefrl and of a new plugin, beside this environment's other packages."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def kit(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("integration/stranger.py")


@pytest.fixture(scope="module")
def stranger(kit: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Wheels unpacked into a folder that comes first on the path."""
    home = tmp_path_factory.mktemp("stranger")
    (home / "wheels").mkdir()
    made = kit.Stranger(home, sys.executable, {"PYTHONPATH": str(home / "site")})
    for folder in (kit.ROOT, kit.ROOT / "envs"):
        install(kit, made, folder)
    return made


def install(kit: ModuleType, stranger: Any, folder: Path) -> None:
    (wheel,) = kit.build(sys.executable, folder, stranger.home / "wheels", "--wheel")
    stranger.does("-m", "zipfile", "-e", str(wheel), str(stranger.home / "site"))


@pytest.fixture(scope="module")
def plugin(kit: ModuleType, stranger: Any) -> str:
    stranger.prefrl("plugins", "new", "my-teacher", "--kind", "source")
    install(kit, stranger, stranger.home / "my-teacher")
    return "my-teacher"


def test_what_is_used_is_the_wheel(stranger: Any) -> None:
    assert stranger.where() == stranger.home / "site" / "prefrl" / "__init__.py"
    assert "smoke.yaml: ok" in stranger.prefrl("config", "check", "smoke.yaml")  # from any directory


def test_the_new_plugin_is_found_and_keeps_its_promises(stranger: Any, plugin: str) -> None:
    assert plugin in {record["name"] for record in json.loads(stranger.prefrl("plugins", "list", "--json"))}
    (checked,) = json.loads(stranger.prefrl("plugins", "check", plugin, "--json"))
    assert {verdict["status"] for verdict in checked["promises"]} == {"kept"}


def test_it_trains(kit: ModuleType, stranger: Any, plugin: str) -> None:
    (stranger.home / "first.yaml").write_text(kit.YAML, encoding="utf-8")
    assert "run folder: runs/first" in stranger.prefrl("train", "first.yaml")
    manifest = json.loads((stranger.home / "runs" / "first" / "manifest.json").read_text())
    assert manifest["status"] == "ok"
    assert {"name": plugin, "distribution": plugin, "version": "0.1.0"} in manifest["plugins"]
    (source,) = json.loads((stranger.home / "runs" / "first" / "sources.json").read_text())["answers"]
    assert source["source"] == "careful"
