"""The lines of `make docs` in a copy of the tree with one thing changed: the build ends with an error, as it should."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "runs", "dist", "_build", "__pycache__", ".*_cache")
CHANGES = {
    "a signature": ("prefrl/hookspecs.py", "prefrl_on_run_ended(run: RunView, summary:", "prefrl_on_run_ended(run: RunView, result:"),
    "an option": ("prefrl/losses/options.py", "    smoothing:", "    smoothed:"),
    "a code block": ("docs/records.md", "import Tiers", "import Tires"),
    "a page outside every index": ("docs/index.md", "\ngpu\n", "\n"),
}  # fmt: skip


def built(folder: Path) -> int:
    """The exit status of the first line of the recipe that fails."""
    recipe = (folder / "Makefile").read_text(encoding="utf-8").split("\ndocs: ")[1].split("\n\n")[0].splitlines()[1:]
    sources = [folder, folder / "envs", *(folder / "plugins").iterdir()]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources)), "PREFRL_TEST_LIMIT": "inf"}
    for line in recipe:
        command = line.strip().removeprefix("@").replace("$(BIN)", str(Path(sys.executable).parent))
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True)
        if done.returncode:
            return done.returncode
    return 0


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "tree"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    return folder


def test_the_pages_are_true(copy: Path) -> None:
    assert built(copy) == 0


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_on_one_side_alone_fails_the_build(copy: Path, what: str) -> None:
    path, old, new = CHANGES[what]
    text = (copy / path).read_text(encoding="utf-8")
    assert old in text
    (copy / path).write_text(text.replace(old, new), encoding="utf-8")
    try:
        assert built(copy) != 0
    finally:
        (copy / path).write_text(text, encoding="utf-8")
