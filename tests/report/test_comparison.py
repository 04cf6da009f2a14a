from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from prefrl.errors import DataError
from prefrl.report.comparison import compare
from prefrl.report.page import verdict
from prefrl.report.words import state

WriteRun = Callable[..., Path]


def test_siblings_with_the_same_arm_key_become_arms(write_run: WriteRun, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", final=2500.0)
    write_run(tmp_path / "truth", final=3500.0, ground_truth=True)
    write_run(tmp_path / "foreign", arm_key="other")
    found = compare(run)
    assert [row.role for row in found.rows] == ["random", "preferences", "ground truth"]
    assert (found.random, found.ground_truth) == (pytest.approx(-280.0), pytest.approx(3500.0))
    row = found.row
    assert row is not None
    assert row.mean_normalised == pytest.approx((2500 + 280) / (3500 + 280))
    assert (row.labels, row.steps, row.seconds, row.seeds) == (50, 100_000, 170.0, (0,))
    assert "foreign" not in " ".join(found.warnings)


def test_several_seeds_are_pooled_and_every_one_is_kept(write_run: WriteRun, tmp_path: Path) -> None:
    finals, truths = (2000.0, 3000.0, 2600.0), (3400.0, 3600.0, 3500.0)
    for seed in range(3):
        write_run(tmp_path / f"run{seed}", final=finals[seed], seed=seed)
        write_run(tmp_path / f"truth{seed}", final=truths[seed], seed=seed, ground_truth=True)
    row = compare(tmp_path / "run1").row
    assert row is not None
    assert row.returns == pytest.approx(finals)
    assert row.normalised == pytest.approx([(x + 280) / 3780 for x in finals])
    assert row.iqm == pytest.approx(sum((x + 280) / 3780 for x in finals) / 3)
    assert row.interval[0] < row.iqm < row.interval[1]
    assert row.seeds == (0, 1, 2)


def test_preference_settings_are_told_apart_and_the_best_is_computed(write_run: WriteRun, tmp_path: Path) -> None:
    write_run(tmp_path / "few", final=1500.0, total=20)
    run = write_run(tmp_path / "many", final=2500.0, total=50)
    rows = {row.label: row for row in compare(run).rows}
    few, many = rows["preferences, 20 rankings of 4"], rows["preferences, 50 rankings of 4"]
    assert (few.best, many.best) == (False, True)
    assert (few.focal, many.focal) == (False, True)


def test_settings_with_equal_budgets_are_told_apart_by_run_name(write_run: WriteRun, tmp_path: Path) -> None:
    run, other = write_run(tmp_path / "one"), write_run(tmp_path / "two")
    config = (other / "config.yaml").read_text().replace("selector: disagreement", "selector: uniform")
    (other / "config.yaml").write_text(config)
    labels = {row.label for row in compare(run).rows if row.role == "preferences"}
    assert labels == {"preferences, 50 rankings of 4 (one)", "preferences, 50 rankings of 4 (two)"}


@pytest.mark.parametrize("status", ["failed", "running", "interrupted"])
def test_an_unfinished_sibling_is_left_out_and_said(write_run: WriteRun, tmp_path: Path, status: str) -> None:
    run = write_run(tmp_path / "run")
    write_run(tmp_path / "other", seed=1, status=status)
    found = compare(run)
    assert found.row is not None
    assert found.row.seeds == (0,)
    assert f"The run other {state(status)} and was left out." in found.warnings


def test_a_repeated_seed_counts_once_and_the_reported_run_is_the_one_that_counts(
    write_run: WriteRun, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run", final=2000.0)
    write_run(tmp_path / "again", final=3000.0)
    found = compare(run)
    assert found.row is not None
    assert found.row.returns == pytest.approx([2000.0])
    assert "again repeats seed 0 of run" in " ".join(found.warnings)


def test_a_damaged_sibling_is_said_but_a_damaged_named_run_is_an_error(write_run: WriteRun, tmp_path: Path) -> None:
    run, other = write_run(tmp_path / "run"), write_run(tmp_path / "other", seed=1)
    (other / "fits.jsonl").write_text("oops\n{}\n")
    assert "The run other could not be read" in " ".join(compare(run).warnings)
    with pytest.raises(DataError):
        compare(run, [other])


def test_named_runs_replace_discovery_and_foreign_ones_are_left_out(write_run: WriteRun, tmp_path: Path) -> None:
    run, foreign = write_run(tmp_path / "a" / "run"), write_run(tmp_path / "b" / "foreign", arm_key="x", seed=1)
    truth = write_run(tmp_path / "b" / "truth", ground_truth=True)
    write_run(tmp_path / "a" / "beside", seed=2)
    found = compare(run, [foreign, truth])
    assert [row.seeds for row in found.rows if row.role != "random"] == [(0,), (0,)]
    assert "foreign has another task" in " ".join(found.warnings)


def test_without_ground_truth_nothing_is_normalised_and_the_cure_is_said(write_run: WriteRun, tmp_path: Path) -> None:
    found = compare(write_run(tmp_path / "run"))
    assert found.row is not None
    assert math.isnan(found.row.mean_normalised)
    assert "--set 'reward={model: true_reward}'" in " ".join(found.warnings)


def test_a_ground_truth_below_random_is_no_yardstick(write_run: WriteRun, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    write_run(tmp_path / "truth", final=-400.0, ground_truth=True)
    assert "no better than random" in " ".join(compare(run).warnings)


def test_unequal_seeds_of_the_arms_are_said(write_run: WriteRun, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", seed=1)
    write_run(tmp_path / "truth", ground_truth=True, seed=0)
    assert "preferences has seeds 1, ground truth has 0" in " ".join(compare(run).warnings)


def test_a_failed_run_is_shown_as_such(write_run: WriteRun, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", status="failed")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"error": "RunError: the disk is full."}))
    found = compare(folder)
    assert found.row is not None
    assert found.warnings[1].startswith("This run has failed: the table shows its last evaluation, at step 100,000")
    assert "It ended with: RunError: the disk is full." in found.warnings


def test_runs_without_arm_key_are_not_guessed_to_belong_together(write_run: WriteRun, tmp_path: Path) -> None:
    for name in ("run", "other"):
        folder = write_run(tmp_path / name, seed=len(name))
        manifest = json.loads((folder / "manifest.json").read_text())
        del manifest["arm_key"]
        (folder / "manifest.json").write_text(json.dumps(manifest))
    assert len(compare(tmp_path / "run").arms) == 1


def test_a_designed_reward_is_named_and_privileged_arms_are_marked(write_run: WriteRun, tmp_path: Path) -> None:
    heron, weighted = write_run(tmp_path / "heron", final=2500.0), write_run(tmp_path / "weighted", final=1500.0)
    write_run(tmp_path / "truth", final=3500.0, ground_truth=True)
    config = yaml.safe_load((heron / "config.yaml").read_text())
    (heron / "config.yaml").write_text(yaml.safe_dump(config | {"sources": {"heron": {"privileged": True}}}))
    reward = {"model": "heron_sum", "privileged": True}
    (weighted / "config.yaml").write_text(yaml.safe_dump(config | {"sources": {}, "reward": reward}))
    for name in ("fits.jsonl", "calibration.json", "correlation.npz"):
        (weighted / name).unlink()
    found = compare(weighted)
    assert {row.label for row in found.rows if row.role == "preferences"} == {
        "preferences, 50 rankings of 4, privileged", "heron_sum, no answers, privileged",
    }  # fmt: skip
    assert any(note.startswith("Privileged: ") for note in found.warnings)
    assert found.focal.gaps == ()
    assert verdict(found).startswith("Rewarded by heron_sum, with no answers, the policy went")
