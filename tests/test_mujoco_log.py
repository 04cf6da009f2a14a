from __future__ import annotations

import logging
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
