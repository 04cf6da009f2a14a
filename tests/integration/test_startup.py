"""With twenty plugins installed, help and list answer at once: metadata is read, nothing of a plugin or of torch imported."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT = 0.5  # seconds; of the processor, which on an idle machine are those of the clock
PLUGINS = 20
HEAVY = ("torch", "numpy", "mujoco", "gymnasium", "stable_baselines3", "matplotlib", "sqlalchemy")
CODE = f"""
import sys
from prefrl.cli import main
code = main(sys.argv[1:])
seen = sorted(name for name in sys.modules if name.split(".")[0] in {HEAVY!r} or name.startswith("crowd"))
sys.exit(f"imported {{seen}}" if seen else code)
"""


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with twenty more plugins, each with a verb, of which none may be imported."""
    site = tmp_path_factory.mktemp("site")
    for i in range(PLUGINS):
        (site / f"crowd{i}.py").write_text("raise RuntimeError('imported')")
        info = site / f"crowd{i}-1.{i}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: crowd{i}\nVersion: 1.{i}\n" + "Text: many\n" * 50)
        (info / "entry_points.txt").write_text(
            f"[prefrl]\ncrowd{i} = crowd{i}\n[prefrl.commands]\ndo{i} = crowd{i}:app\n"
        )
    return {**os.environ, "PYTHONPATH": str(site)}


def spent(command: list[str], environ: dict[str, str]) -> tuple[float, str]:
    """Processor seconds of a process, and what it prints."""

    def so_far() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = so_far()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    return so_far() - before, done.stdout


@pytest.mark.parametrize("arguments", [("--help",), ("plugins", "list", "--json"), ("plugins", "list")])
def test_it_answers_at_once_and_imports_nothing(arguments: tuple[str, ...], crowd: dict[str, str]) -> None:
    runs = [spent([sys.executable, "-c", CODE, *arguments], crowd) for _ in range(3)]
    assert min(seconds for seconds, _ in runs) < LIMIT
    said = runs[0][1]
    assert "do7" in said if arguments == ("--help",) else "crowd7" in said
    if "--json" in arguments:
        listed = {record["name"]: record for record in json.loads(said)}
        assert sum(name.startswith("crowd") for name in listed) == PLUGINS
        assert (listed["crowd7"]["version"], listed["crowd7"]["status"]) == ("1.7", "installed")


def test_the_installed_command_lists_them_from_any_directory_and_writes_nothing(
    crowd: dict[str, str], tmp_path: Path
) -> None:
    command = [str(Path(sys.executable).parent / "prefrl"), "plugins", "list"]
    done = subprocess.run(command, env=crowd, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) > PLUGINS
    assert list(tmp_path.iterdir()) == []
