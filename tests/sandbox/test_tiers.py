from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from prefrl.errors import EnvironmentMissing
from prefrl.sandbox import Box, ProgramFault, obstacle, require, seccomp, tiers


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    obstacle.cache_clear()
    seccomp.filter_program.cache_clear()
    yield
    obstacle.cache_clear()
    seccomp.filter_program.cache_clear()


def test_without_bubblewrap_a_run_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert (
        obstacle("strict")
        == "the sandbox needs bubblewrap, which is not here; `apt install bubblewrap` on Debian brings it."
    )
    with pytest.raises(EnvironmentMissing, match="apt install bubblewrap") as caught:
        Box("def reward(obs, factors): return obs, {}", {"obs": ()})
    assert caught.value.exit_code == 3


def test_without_libseccomp_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "LIBRARY", "libnothing.so.9")
    for tier in ("strict", "seccomp"):
        with pytest.raises(
            EnvironmentMissing, match=r"libnothing\.so\.9, which is not here; `apt install libseccomp2`"
        ):
            require(tier)  # type: ignore[arg-type]
    require("trust")


def test_namespaces_that_are_forbidden_are_named_and_never_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "bwrap: No permissions to create new namespace"
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/bwrap")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: SimpleNamespace(stdout="", stderr=said, returncode=1))
    reason = obstacle("strict")
    assert said in reason
    assert "`sandbox: seccomp`" in reason
    with pytest.raises(EnvironmentMissing, match="No permissions"):
        Box("def reward(obs, factors): return obs, {}", {"obs": ()})


def test_a_bubblewrap_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/bwrap")
    monkeypatch.setattr(subprocess, "run", run)
    assert "did not answer" in obstacle("strict")


def test_other_systems_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    for tier in tiers.TIERS:
        assert "cannot be confined on darwin" in obstacle(tier)


def test_only_python_and_numpy_can_be_read_and_nothing_written() -> None:
    words = tiers.command("strict", 9)
    assert not {"--bind", "--dev-bind", "--proc", "--dev", "--share-net"} & set(words)
    assert {"--unshare-all", "--clearenv", "--die-with-parent", "--remount-ro"} <= set(words)
    bound = {Path(words[i + 1]) for i, word in enumerate(words) if word == "--ro-bind"}
    home, here = Path.home(), Path.cwd()
    assert not any(path in (home, here) or home.is_relative_to(path) or here.is_relative_to(path) for path in bound)


@pytest.mark.needs("sandbox")
def test_the_filter_is_a_program_of_eight_byte_instructions() -> None:
    code = seccomp.filter_program()
    assert len(code) % 8 == 0
    assert 20 * 8 < len(code) < 4096 * 8


@pytest.mark.needs("sandbox")
@pytest.mark.parametrize("tier", ["strict", "seccomp"])
def test_the_kernel_refuses_files_and_processes(tier: tiers.Tier) -> None:
    body = "import os\n    try: os.fork()\n    except PermissionError: open(os.__file__)\n"
    with (
        Box(f"def reward(obs, factors):\n    {body}", {"obs": ()}, tier=tier, checked=False) as box,
        pytest.raises(ProgramFault, match="line 4: PermissionError"),
    ):
        box({"obs": np.zeros(2)})
