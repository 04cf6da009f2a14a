"""A run folder holds whole lines and whole files, says what the run was, and is never overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from prefrl.errors import ConfigError, DataError, RunError
from prefrl.runs import RunFolder, arm_key, manifest, read_env, read_manifest
from prefrl.settings import RunSettings
from prefrl.types import EnvInfo, Episode, Factor, RewardFit

ENV = EnvInfo(
    "Toy-v0", (3,), (2,), max_episode_steps=50, dt=0.05, factors={"speed": Factor("speed", "m/s", False, "how fast")},
    costs=("energy",), task="walk", observations=("x [m]",), has_states=True,
)  # fmt: skip


def settings(**changes: object) -> RunSettings:
    return RunSettings.model_validate({"env": {"id": "Toy-v0"}, "algo": {"n_timesteps": 100}} | changes)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "runs" / "toy")


def test_a_run_is_never_overwritten(folder: RunFolder) -> None:
    folder.replace_json("manifest.json", {"status": "ok"})
    with pytest.raises(ConfigError, match=r"it holds a run already; choose another --run or run\.name"):
        RunFolder.create(folder.path)
    folder.replace_json("manifest.json", {"status": "running"})
    with pytest.raises(ConfigError, match=r"go on with it by `prefrl train --resume .*`, or choose another"):
        RunFolder.create(folder.path)


def test_one_process_at_a_time_goes_on_with_a_run(folder: RunFolder) -> None:
    folder.replace_json("manifest.json", {"status": "failed"})
    folder.close()
    first = RunFolder.reopen(folder.path)
    with pytest.raises(ConfigError, match="another process is running it"):
        RunFolder.reopen(folder.path)
    first.close()
    second = RunFolder.reopen(folder.path)
    second.replace_json("manifest.json", {"status": "ok"})
    second.close()
    with pytest.raises(ConfigError, match="its run has finished, there is nothing to resume"):
        RunFolder.reopen(folder.path)


def test_lines_written_after_a_state_are_cut_off(folder: RunFolder) -> None:
    folder.append("fits.jsonl", {"n": 1})
    state = folder.state_dict()
    folder.append("fits.jsonl", {"n": 2})
    folder.append("evaluations.jsonl", {"n": 3})
    folder.load_state_dict(state)
    assert list(folder.lines("fits.jsonl")) == [{"n": 1}]
    assert list(folder.lines("evaluations.jsonl")) == []


def test_a_line_that_was_cut_off_does_not_count(folder: RunFolder) -> None:
    folder.append("fits.jsonl", {"n": 1})
    with (folder.path / "fits.jsonl").open("a") as file:
        file.write('{"n": ')
    assert list(folder.lines("fits.jsonl")) == [{"n": 1}]


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written \(.*\); choose another with --run"):
        RunFolder.create(tmp_path / "file" / "run")


def test_records_are_appended_as_lines(folder: RunFolder) -> None:
    assert list(folder.lines("fits.jsonl")) == []
    folder.append("fits.jsonl", RewardFit(1, 2, 3, 4.0, 0.5, 0.6, 0.7, 0.8, 9, {"acc": 1.0}))
    folder.append("fits.jsonl", {"query": "abc"})
    first, second = folder.lines("fits.jsonl")
    assert (first["round"], first["metrics"], second) == (1, {"acc": 1.0}, {"query": "abc"})
    assert (folder.path / "fits.jsonl").read_text().count("\n") == 2


def test_a_file_is_replaced_whole_or_not_at_all(folder: RunFolder) -> None:
    folder.replace_json("timing.json", {"total": 1})
    with pytest.raises(TypeError):
        folder.replace_json("timing.json", {"total": object()})
    with pytest.raises(TypeError):
        folder.replace("timing.json", None)  # type: ignore[arg-type]  # as if writing failed half way
    assert json.loads((folder.path / "timing.json").read_text()) == {"total": 1}
    folder.replace_json("timing.json", {"total": 2})
    assert json.loads((folder.path / "timing.json").read_text()) == {"total": 2}


@pytest.mark.parametrize("states", [None, np.zeros((3, 4))])
def test_an_episode_is_saved_for_its_clip(folder: RunFolder, states: np.ndarray | None) -> None:
    episode = Episode("e", np.ones((3, 2)), np.ones((2, 1)), true_reward=np.arange(2.0), states=states)
    folder.save_episode("end", episode, np.array([5.0, 6.0]), 700)
    with np.load(folder.path / "episodes" / "end.npz") as saved:
        assert set(saved) == {"obs", "action", "true_reward", "learned_reward", "step"} | (
            {"states"} if states is not None else set()
        )
        assert saved["learned_reward"].tolist() == [5, 6]
        assert saved["step"] == 700
    assert [path.name for path in (folder.path / "episodes").iterdir()] == ["end.npz"]  # no draft is left


def test_a_manifest_says_what_a_run_was_and_is_read_back(folder: RunFolder) -> None:
    plugins = [{"name": "oracle", "distribution": "prefrl-oracle", "version": "0.1.0"}]
    folder.replace_json("manifest.json", manifest(settings(run={"seed": 3}), ENV, "toy", plugins))
    found = read_manifest(folder.path)
    assert (found["run"], found["status"], found["seed"], found["finished"]) == ("toy", "running", 3, None)
    assert set(found["versions"]) == {"prefrl", "python", "torch", "numpy", "mujoco", "gymnasium", "stable_baselines3"}
    assert set(found["machine"]) == {"system", "processor", "cores", "gpu"}
    assert found["plugins"] == plugins
    assert found["arm_key"] == arm_key(settings(run={"seed": 4}))
    assert read_env(folder.path) == ENV


def test_runs_are_arms_of_one_experiment_if_task_learner_and_evaluation_agree() -> None:
    key = arm_key(settings())
    same = ({"run": {"seed": 5, "name": "other"}}, {"reward": {"model": "true_reward"}}, {"feedback": {"total": 3}})
    assert {arm_key(settings(**change)) for change in same} == {key}
    other = ({"env": {"id": "Toy-v1"}}, {"algo": {"n_timesteps": 200}}, {"evaluate": {"episodes": 3}})
    assert key not in {arm_key(settings(**change)) for change in other}


def test_no_run_and_a_damaged_one_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no run is there \(no manifest.json\)"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        read_manifest(tmp_path)
