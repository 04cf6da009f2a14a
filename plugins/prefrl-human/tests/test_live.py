"""What people may know of a run: accuracy, learned return, the newest clip; not the true return, and settings for `prefrl rank`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from prefrl.errors import ConfigError, DataError
from prefrl.store import DataSet
from prefrl_human import command, live
from prefrl_human.serving import Address

CONFIG = """
env: {id: Toy-v0, kwargs: {hard: true}}
algo: {name: ppo, n_timesteps: 5000}
render: {size: 128, camera: side}
feedback: {total: 30}
sources:
  oracle: {weight: 0.5}
  crowd: {use: human, wait: none, weight: 2.0, budget: 9, people: [ann], lease: 60, checks: {rate: 0.2, after: 3}}
run: {seed: 7}
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "toy"
    (folder / "episodes").mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "manifest.json").write_text('{"status": "running"}', encoding="utf-8")
    fit = {"preferences": 4, "step": 100, "accuracy": 0.75, "val_accuracy": math.nan}
    later = fit | {"preferences": 8, "step": 200, "val_accuracy": 0.5}
    (folder / "fits.jsonl").write_text(json.dumps(fit) + "\n" + json.dumps(later) + '\n{"cut o', encoding="utf-8")
    evaluation = {"step": 150, "preferences": 4, "true_return": [987.0], "learned_return": [1.0, 2.0]}
    (folder / "evaluations.jsonl").write_text(json.dumps(evaluation) + "\n", encoding="utf-8")
    for step, name in ((0, "start"), (150, "middle")):
        np.savez(folder / "episodes" / f"{name}.npz", step=np.array(step), states=np.zeros((3, 7)))
    np.savez(folder / "episodes" / "end.npz", step=np.array(900))  # of a task without states
    return folder


def test_progress_says_no_true_return(run: Path) -> None:
    said = live.progress(run)
    assert said is not None
    assert [(fit["answers"], fit["accuracy"]) for fit in said["fits"]] == [(4, 0.75), (8, 0.5)]
    assert (said["step"], said["steps"], said["status"]) == (200, 5000, "running")
    assert said["learned"] == [{"step": 150, "answers": 4, "learned": 1.5}]
    assert "987" not in json.dumps(said, allow_nan=False)
    assert live.progress(None) is None
    assert live.progress(run.parent) is None


def test_the_newest_episode_is_the_one_with_states(run: Path) -> None:
    assert live.newest_episode(run) == (150, run / "episodes" / "middle.npz")
    assert live.newest_episode(None) is None


def test_rank_follows_the_run_that_made_the_data_set(run: Path) -> None:
    place = live.place_of("toy", None, run.parent, run, port=0, checks={"rate": 0.5}, host=None)
    assert (place.source, place.size, place.camera, place.seed, place.answers) == ("crowd", 128, "side", 7, 30)
    assert place.env_kwargs == {"hard": True}
    assert (place.options.people, place.options.lease, place.options.port) == (("ann",), 60, 0)
    assert (place.options.checks.rate, place.options.checks.after) == (0.5, 3)
    alone = live.place_of("clips", None, run.parent, None)
    assert (alone.source, alone.run, alone.answers) == ("human", None, None)


def test_the_verb_serves_and_says_where(
    run: Path, data: DataSet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from prefrl_human import serving

    served = []

    def serve(place, started, renew):  # type: ignore[no-untyped-def]
        served.append((place, renew))
        started(Address("http://here/", {"ann": "http://here/?token=x", "bob": None}))

    monkeypatch.setattr(serving, "serve", serve)
    monkeypatch.chdir(tmp_path)
    command.rank("toy", best=True, people=["ann", "bob"], renew=["ann"])
    ((place, renew),) = served
    assert (place.data_set, place.options.ask, place.options.people, renew) == ("toy", "best", ("ann", "bob"), ["ann"])
    said = capsys.readouterr().out
    assert "ann: http://here/?token=x" in said
    assert "bob: has a link already (--renew NAME makes another)" in said
    with pytest.raises(ConfigError, match=r"--run elsewhere: no run is there"):
        command.rank("toy", run=Path("elsewhere"))
    with pytest.raises(ConfigError, match=r"rank: people.0: String should match pattern"):
        command.rank("toy", people=["a b"])


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"there is no data set 'clips': runs/prefrl.sqlite does not exist"):
        command.rank("clips")
    assert list(tmp_path.iterdir()) == []
