from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from prefrl.errors import DataError
from prefrl.report.folder import read

WriteRun = Callable[..., Path]


def test_reads_what_a_run_wrote(write_run: WriteRun, tmp_path: Path) -> None:
    run = read(write_run(tmp_path / "run", seed=3, final=3100.0))
    assert (run.name, run.seed, run.status, run.env_id, run.labels) == ("run", 3, "ok", "HalfCheetah-v5", 50)
    assert run.last is not None
    assert run.last.mean_return == pytest.approx(3100.0)
    assert len(run.last.true_return) == 20
    assert math.isnan(run.evaluations[0].accuracy)  # null in the file
    assert math.isnan(run.fits[0].val_accuracy)
    assert run.random is not None
    assert set(run.stages) == {"start", "middle", "end"}
    assert run.gaps == ()


def test_seeds_and_output_settings_do_not_make_another_arm_but_options_do(write_run: WriteRun, tmp_path: Path) -> None:
    first, second = read(write_run(tmp_path / "a")), read(write_run(tmp_path / "b", seed=1))
    other, truth = read(write_run(tmp_path / "c", total=20)), read(write_run(tmp_path / "d", ground_truth=True))
    assert first.arm == second.arm
    assert len({first.arm, other.arm, truth.arm}) == 3
    assert (first.ground_truth, truth.ground_truth) == (False, True)


def test_what_is_missing_is_said(write_run: WriteRun, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    for name in ("random.json", "fits.jsonl", "timing.json", "calibration.json", "correlation.npz", "episodes/end.npz"):
        (folder / name).unlink()
    gaps = " ".join(read(folder).gaps)
    for name in ("random.json", "fit", "timing.json", "calibration.json", "correlation.npz", "episodes/end.npz"):
        assert name in gaps


def test_the_ground_truth_arm_lacks_no_reward_model(write_run: WriteRun, tmp_path: Path) -> None:
    assert read(write_run(tmp_path / "truth", ground_truth=True)).gaps == ()


def test_a_torn_last_line_is_left_out_and_said(write_run: WriteRun, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    path = folder / "evaluations.jsonl"
    path.write_text(path.read_text()[:-40])
    run = read(folder)
    assert len(run.evaluations) == 5
    assert "incomplete" in " ".join(run.gaps)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("manifest.json", None, "not a run folder"),
        ("manifest.json", "{", "cannot be read as JSON"),
        ("timing.json", "[1]", "no JSON object"),
        ("config.yaml", "a: [", "cannot be read"),
        ("config.yaml", "- a", "no mapping"),
        ("correlation.npz", "not an archive", "cannot be read as an array archive"),
        ("evaluations.jsonl", '{"step": 1}\n', "evaluations.jsonl:1: lacks preferences"),
        ("evaluations.jsonl", "[1]\n", "evaluations.jsonl:1: is no JSON object"),
        ("fits.jsonl", "oops\n{}\n", "fits.jsonl:1: not JSON"),
    ],
)
def test_damage_names_the_file(write_run: WriteRun, tmp_path: Path, name: str, content: str | None, says: str) -> None:
    folder = write_run(tmp_path / "run")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(DataError, match=says):
        read(folder)


def test_arrays_are_never_unpickled(write_run: WriteRun, tmp_path: Path) -> None:
    import numpy as np

    folder = write_run(tmp_path / "run")
    np.savez(folder / "correlation.npz", true=np.array([object()], dtype=object))
    with pytest.raises(DataError, match="array archive"):
        read(folder)


def test_a_run_that_has_just_begun_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"run": "run", "status": "running", "seed": 0, "arm_key": "k"}))
    (folder / "config.yaml").write_text("env: {id: Pendulum-v1}\n")
    run = read(folder)
    assert (run.last, run.labels, run.status) == (None, 0, "running")
    assert "No evaluation yet" in " ".join(run.gaps)


def test_only_a_resumption_that_changed_the_run_is_worth_a_note(write_run: WriteRun, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["resumed"] = [{"step": 4096, "exact": True}, {"step": 12288, "exact": False}]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (note,) = [gap for gap in read(folder).gaps if "resumed" in gap]
    assert note.startswith("interrupted, and resumed at step 12,288 at the beginning of new episodes")
