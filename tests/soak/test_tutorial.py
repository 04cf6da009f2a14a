"""The tutorial as a reader does it: its files saved, its commands run, in their order, in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_the_tutorial_works_as_it_stands(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```(\w+)[ ]?(.*?)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    environ = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for language, name, text in blocks:
        if language == "sh":
            for line in text.splitlines():
                done = subprocess.run(
                    shlex.split(line, comments=True), cwd=tmp_path, env=environ, capture_output=True, text=True
                )
                assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        else:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
    assert {"reach", "reach-truth", "reach-rankings", "reach-steady"} <= {
        path.name for path in (tmp_path / "runs").iterdir()
    }
    assert "ground truth" in (tmp_path / "runs" / "reach" / "report.md").read_text().lower()
    assert (tmp_path / "steady-teacher" / "pyproject.toml").exists()
