"""What ``prefrl losses`` prints and refuses, and that looking does not load torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from prefrl.cli import main

BROKEN = """
from prefrl.specs import LossSpec, NoOptions, hookimpl

@hookimpl
def prefrl_register_losses():
    def build(options):
        from prefrl.losses.options import BradleyTerryOptions
        from prefrl.losses.pairwise import build
        return build(BradleyTerryOptions(transform=({"clip": {"limit": 1.0}},)))
    yield LossSpec(name="clipped", summary="forgets the worst errors", options=NoOptions, build=build)
"""


def test_the_list_says_what_each_takes_and_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["losses", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (dpo,) = (line for line in lines if line.startswith("dpo "))
    assert "choice, grade, pair, ranking" in dpo
    assert dpo.endswith("[ref_logp]")
    assert main(["losses", "list", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert len(records) == len(lines) >= 35
    assert next(r for r in records if r["name"] == "bce")["kinds"] == ["binary"]


def test_the_list_needs_no_torch() -> None:
    code = "import sys\nfrom prefrl.cli import main\nassert main(['losses', 'list']) == 0\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_show_says_everything_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["losses", "show", "cpl"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("cpl: a policy from preferences, without a reward model (Hejna et al. 2024)")
    assert "bias = 0.5  lambda; below 1 it keeps likelihood on what was seen" in text
    assert "a constant added to all scores of a question matters" in text
    assert main(["losses", "show", "cpl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["options"]["alpha"]["default"] == 0.1


def test_an_unknown_name_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["losses", "show", "clp"]) == 2
    assert "Did you mean 'cpl'?" in capsys.readouterr().err


def test_check_runs_the_suite_on_ours_and_on_a_strangers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["losses", "check", "bradley_terry"]) == 0
    assert "promises kept" in capsys.readouterr().out
    (tmp_path / "stranger.py").write_text(BROKEN)
    assert main(["losses", "check", "clipped", "--plugins-dir", str(tmp_path)]) == 1
    assert "ignores_a_constant_if_declared (pair)" in capsys.readouterr().out
    assert main(["losses", "check", "clipped", "--plugins-dir", str(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["clipped"]["agrees_in_single_precision (pair)"] == ""
