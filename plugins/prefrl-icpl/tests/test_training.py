"""Programs become policies by runs of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from prefrl.errors import RunError
from prefrl_icpl.options import IcplOptions
from prefrl_icpl.traces import read_traces
from prefrl_icpl.training import Workshop

BASE = {"env": {"id": "E"}, "algo": {"name": "ppo", "n_timesteps": 500}, "evaluate": {"every": 9, "episodes": 3}, "run": {"seed": 5, "name": "x"}, "sources": {"oracle": {}}}  # fmt: skip


def test_a_policy_learns_from_the_program_and_from_nothing_else(trained: Path) -> None:
    assert json.loads((trained / "manifest.json").read_text())["status"] == "ok"
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert config["reward"]["model"] == "icpl_program"
    assert (config["sources"], config["pretrain"], config["run"]["seed"]) == ({}, None, 3)
    traces = read_traces(trained)
    assert traces.keys() == {"total", "near", "effort"}
    assert len(traces["total"]) == 2
    assert traces["total"][0] == pytest.approx(traces["near"][0] + traces["effort"][0])
    assert (trained / "model.zip").exists()
    assert Workshop(trained.parent, BASE, IcplOptions()).score("round-1-a") < 0


def test_only_what_the_policies_share_is_taken_over(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, BASE, IcplOptions(sandbox="seccomp", privileged=True))
    config = workshop._configuration("round-1-a", tmp_path / "program.py")
    assert config["env"] == BASE["env"]
    assert config["sources"] == {}
    assert config["feedback"] == {"total": 0}
    assert config["reward"]["sandbox"] == "seccomp"
    assert config["reward"]["privileged"] is True
    assert config["evaluate"] == {"episodes": 1, "final_episodes": 1, "every": 500}
    assert config["run"] == {"seed": 5, "name": "round-1-a"}
    scored = Workshop(tmp_path, BASE, IcplOptions(choose="task_score"))._configuration("a", tmp_path / "p")
    assert scored["evaluate"] == {"episodes": 3, "every": 500}


def fake_runs(monkeypatch: pytest.MonkeyPatch, code: str) -> list[list[str]]:
    started: list[list[str]] = []
    plain = subprocess.Popen

    def popen(command: list[str], **named: object) -> subprocess.Popen[bytes]:
        started.append(command[4:])
        return plain([sys.executable, "-c", code, *command[4:]], **named)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(subprocess, "Popen", popen)
    return started


def test_so_many_at_a_time_and_what_was_begun_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, status in {"a": "ok", "b": "interrupted"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(json.dumps({"status": status}))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "icpl_fault.json").write_text('{"kind": "raised", "what": "x", "line": 1}')
    started = fake_runs(monkeypatch, "pass")
    Workshop(tmp_path, BASE, IcplOptions(processes=1)).train(dict.fromkeys("abcd", tmp_path / "p.py"))
    assert started == [["--resume", str(tmp_path / "b")], [str(tmp_path / "d.yaml"), "--run", str(tmp_path / "d")]]


def test_a_training_that_fails_for_another_reason_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_runs(monkeypatch, "raise SystemExit('disk full')")
    with pytest.raises(RunError, match=r"Training on a failed .disk full.; see .*a\.log\. Resume when it is mended\."):
        Workshop(tmp_path, BASE, IcplOptions()).train({"a": tmp_path / "p.py"})
