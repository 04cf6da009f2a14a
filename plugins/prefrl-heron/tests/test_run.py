"""Whole runs: a ranking becomes behaviour without an answer from anybody, and its configurations say what they mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from prefrl import config, tree
from prefrl.cli import app
from prefrl.errors import ConfigError
from prefrl.plugins import PluginHost

CONFIGS = Path(__file__).parents[3] / "configs" / "heron"
TINY = """
env: {id: "prefrl_envs:Reach-v0", n_envs: 2}
algo: {name: ppo, n_timesteps: 512, n_steps: 64, batch_size: 32, n_epochs: 1}
pretrain: {name: random, steps: 128}
queries: {selector: uniform}
evaluate: {every: 512, episodes: 1, final_episodes: 1}
"""
ASKED = """
feedback: {total: 24, rounds: 2, segment: 10}
reward: {members: 1, hidden: [8], fit: {epochs: 2}}
"""


def trained(folder: Path, more: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    (folder / "run.yaml").write_text(TINY + more, encoding="utf-8")
    done = CliRunner().invoke(app, ["train", "run.yaml", "--run", "runs/tiny"])
    assert done.exit_code == 0, done.output
    return folder / "runs" / "tiny"


def test_a_ranking_is_learned_from_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = f"""{ASKED}
sources:
  heron: {{ranking: [fingertip_speed, {{extension: less}}], share: [0.5, 1]}}
"""
    run = trained(tmp_path, sources, monkeypatch)
    fits = [json.loads(line) for line in (run / "fits.jsonl").read_text().splitlines()]
    assert fits[-1]["preferences"] == 24  # the last level decides whatever reaches it
    rows = json.loads((run / "sections" / "heron.json").read_text())["rows"]
    assert int(rows[0][3]) + int(rows[1][3]) == 24
    assert 4 <= int(rows[0][3]) <= 20  # about half of them on the first
    done = CliRunner().invoke(app, ["report", str(run)])
    assert done.exit_code == 0, done.output
    assert "Source heron: what each level decided" in (run / "report.md").read_text()


def test_what_it_leaves_undecided_goes_to_the_next_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = f"""{ASKED}
sources:
  heron: {{ranking: [fingertip_speed], share: 0.5, order: 0, undecided: pass}}
  oracle: {{order: 1}}
"""
    run = trained(tmp_path, sources, monkeypatch)
    exported = CliRunner().invoke(app, ["data", "show", "tiny", "--json"])
    assert exported.exit_code == 0, exported.output
    answers = json.loads(exported.stdout)["answers"]
    assert sum(sum(kinds.values()) for kinds in answers.values()) == 24
    assert 4 <= answers["heron"]["answered"] <= 20
    assert answers["oracle"]["answered"] > 0
    assert run.is_dir()


def test_the_weighted_sum_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reward = (
        "reward: {model: heron_sum, ranking: [fingertip_speed, {extension: less}], steps: 200}\nfeedback: {total: 0}\n"
    )
    run = trained(tmp_path, reward, monkeypatch)
    assert not (run / "fits.jsonl").exists()
    last = json.loads((run / "evaluations.jsonl").read_text().splitlines()[-1])
    assert last["learned_return"] != last["true_return"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            "sources: {heron: {ranking: [fingertip_speed], budget: 0}}",
            "sources.heron: with a budget of 0 it is never asked",
        ),
        (
            "sources: {heron: {ranking: [fingertip_speed]}}\nfeedback: {total: 0}",
            "feedback.total: 0 answers may be asked for",
        ),
    ],
)
def test_an_empty_budget_is_refused(more: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(TINY + more, encoding="utf-8")
    done = CliRunner().invoke(app, ["train", "run.yaml", "--run", "runs/none"])
    assert isinstance(done.exception, ConfigError)
    assert words in str(done.exception)


@pytest.mark.skipif(not CONFIGS.exists(), reason="configurations lie in the repository, beside the plugin")
def test_configurations_rank_in_both_arms_alike_and_only_they_are_privileged_that_say_so() -> None:
    host = PluginHost.from_environment(environ={})
    for path in sorted(CONFIGS.glob("*.yaml")):
        settings = config.resolve(tree.read(path), host)
        again = config.resolve(tree.parse(config.dump(settings), "dumped"), host)
        assert again == settings  # short forms of a ranking and their long ones say the same
    for task, privileged in (("cheetah", True), ("reach", True), ("maze", False)):
        heron = yaml.safe_load((CONFIGS / f"{task}.yaml").read_text(encoding="utf-8"))["sources"]["heron"]
        weighted = yaml.safe_load((CONFIGS / f"{task}_sum.yaml").read_text(encoding="utf-8"))["reward"]
        assert heron["ranking"] == weighted["ranking"]
        assert heron.get("privileged", False) == weighted.get("privileged", False) == privileged
