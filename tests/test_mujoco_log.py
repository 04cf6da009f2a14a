from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

from prefrl.mujoco_log import _heard, listen


def test_an_old_model_file_is_no_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    listen()
    with caplog.at_level(logging.DEBUG, "prefrl.mujoco"):
        gym.make("HalfCheetah-v5").close()
    assert capfd.readouterr().err == ""
    assert not list(tmp_path.iterdir())
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


def test_an_unstable_simulation_is(caplog: pytest.LogCaptureFixture) -> None:
    _heard("Nan, Inf or huge value in QACC at DOF 0. The simulation is unstable.")
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_whoever_makes_environments_listens(tmp_path: Path) -> None:
    """In a fresh process: nothing on stderr, and no MUJOCO_LOG.TXT in the working directory."""
    code = (
        "from prefrl.rollout.environments import make; from prefrl.settings import EnvSettings;"
        "make(EnvSettings(id='HalfCheetah-v5')).close()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())
