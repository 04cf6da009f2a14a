"""Whole runs with several sources, several users and named factors: what is learned of them ends up in the run folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from prefrl.cli import app
from prefrl.evaluation import final_policy

TINY = """
env: {id: "prefrl_envs:Reach-v0", n_envs: 2}
algo: {name: ppo, n_timesteps: 512, n_steps: 64, batch_size: 32, n_epochs: 1, policy_kwargs: {net_arch: [8]}}
pretrain: {name: random, steps: 128}
queries: {selector: uniform}
feedback: {total: 24, rounds: 2, segment: 10}
evaluate: {every: 512, episodes: 1, final_episodes: 1}
"""


def trained(folder: Path, more: str, monkeypatch: pytest.MonkeyPatch, sets: str = "run.seed=0") -> Path:
    monkeypatch.chdir(folder)
    (folder / "run.yaml").write_text(TINY + more, encoding="utf-8")
    done = CliRunner().invoke(app, ["train", "run.yaml", "--run", "runs/tiny", "--set", sets])
    assert done.exit_code == 0, done.output
    return folder / "runs" / "tiny"


def fits(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "fits.jsonl").read_text().splitlines()]


def test_how_far_each_source_is_trusted_is_learned_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(tmp_path, """
sources:
  careful: {use: oracle, order: 0}
  hasty: {use: oracle, order: 1, overlap: 1.0, mistake: 0.4}
reward: {members: 1, hidden: [8], filters: [{reliability: {folds: 2, passes: 1}}], fit: {epochs: 3, validation: 0}}
""", monkeypatch)  # fmt: skip
    last = fits(run)[-1]
    assert last["preferences"] == 48
    assert last["metrics"]["reliability/careful"] > last["metrics"]["reliability/hasty"]
    done = CliRunner().invoke(app, ["report", str(run)])
    assert done.exit_code == 0, done.output
    assert "learned reliability" in (run / "report.md").read_text()


def test_a_policy_that_serves_users_is_learned_from_their_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(tmp_path, """
sources:
  users: {users: {ann: {reaches: {"4": 0.2}}, bob: {reaches: {"4": -0.2}}}}
reward:
  model: users
  latent: 2
  hidden: [8]
  encoder: [8]
  loss: [bradley_terry, {name: vae_kl, coef: 0.01}]
  fit: {epochs: 3}
""", monkeypatch, sets="env.user=2")  # fmt: skip
    inputs = final_policy(run, "ppo").shapes[0][0]
    env = json.loads((run / "manifest.json").read_text())["env"]
    assert (env["user"], env["obs_shape"]) == (2, [inputs])
    state = torch.load(run / "reward_model.pt", weights_only=False)
    assert set(state["latents"]) == {"ann", "bob"}
    assert state["version"] == 2


def test_a_reward_of_factors_is_learned_and_a_privileged_one_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(tmp_path, """
sources:
  oracle: {}
reward:
  model: factors
  factors: [distance, control_effort]
  privileged: true
  members: 2
  hidden: [8]
  loss: [bradley_terry, {name: deciding_factor, coef: 0.5}]
  fit: {epochs: 3}
""", monkeypatch)  # fmt: skip
    assert fits(run)[-1]["version"] == 2
    done = CliRunner().invoke(app, ["report", str(run)])
    assert done.exit_code == 0, done.output
    assert "privileged" in (run / "report.md").read_text()
