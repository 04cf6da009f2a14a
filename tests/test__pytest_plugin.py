"""The fixtures that plugins' tests get, and that no pytest pays for them before they are used."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from typing import Any

import pytest

from prefrl.errors import DuplicateName
from prefrl.testing.runs import offering
from prefrl.testing.teacher import prefrl_register_sources


def test_pytest_finds_it_and_importing_it_imports_nothing_heavy() -> None:
    assert "prefrl._pytest_plugin" in {entry.value for entry in metadata.entry_points(group="pytest11")}
    heavy = "{'torch', 'mujoco', 'gymnasium', 'stable_baselines3', 'numpy', 'pydantic'}"
    code = f"import prefrl._pytest_plugin, sys; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_host_knows_nothing_and_raises(prefrl_host: Any) -> None:
    (spec,) = prefrl_register_sources()
    assert prefrl_host.records == ()
    prefrl_host.admit(offering("sources", spec))
    assert list(prefrl_host.specs("sources")) == ["example_teacher"]
    twin = offering("sources", spec)
    with pytest.raises(DuplicateName):
        prefrl_host.admit(type(twin)(type(twin.record)("offers example_teacher", "elsewhere"), twin.load))


def test_the_clips_are_the_same_each_time(prefrl_segments: Any) -> None:
    from prefrl.testing.examples import segments

    assert [clip.id for clip in prefrl_segments] == [clip.id for clip in segments()]
    assert {len(clip) for clip in prefrl_segments} == {12}


def test_a_run_of_seconds(prefrl_run: Any) -> None:
    run = prefrl_run("run.seed=3")
    assert (run.step, run.reward.version) == (512, 2)
    assert (run.folder / "manifest.json").exists()
