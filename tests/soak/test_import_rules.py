"""Each import rule is broken once in a copy of the sources, and its contract must say so: a rule that cannot fail is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BREACHES = [
    ("prefrl/store/records.py", "import prefrl.fit", "1 the data path"),
    ("prefrl/plugins.py", "import torch", "2 what is read before"),
    ("prefrl/rewards/options.py", "import gymnasium", "2 what is read before"),
    ("prefrl/losses/pairs.py", "import sqlalchemy", "2 the loss core"),
    ("prefrl/fit.py", "import prefrl_oracle", "3 prefrl imports no plugin"),
    ("plugins/prefrl-oracle/prefrl_oracle/__init__.py", "import prefrl_envs", "3 plugins and environments"),
    ("envs/prefrl_envs/reach.py", "import prefrl.errors", "3 environments never"),
    ("plugins/prefrl-oracle/prefrl_oracle/__init__.py", "import prefrl.fit", "4 plugins import"),
    ("prefrl/fit.py", "import stable_baselines3", "5 Stable-Baselines3"),
]


def broken(folder: Path) -> set[str]:
    sources = [folder, folder / "envs", *(folder / "plugins").iterdir()]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))}
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    return {line.removesuffix(" BROKEN") for line in done.stdout.splitlines() if line.endswith(" BROKEN")}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for name in ("prefrl", "envs", "plugins"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_tree_keeps_every_rule(copy: Path) -> None:
    assert broken(copy) == set()


@pytest.mark.parametrize(("file", "line", "rule"), BREACHES)
def test_a_breach_is_reported_by_its_rule(copy: Path, file: str, line: str, rule: str) -> None:
    path = copy / file
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}\n{line}\n", encoding="utf-8")
    try:
        assert any(name.startswith(rule) for name in broken(copy))
    finally:
        path.write_text(text, encoding="utf-8")
