from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from prefrl import doctor
from prefrl.doctor import Finding
from prefrl.errors import EnvironmentMissing


def named(findings: list[Finding], name: str) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def test_a_healthy_machine_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "gl_backend", lambda: "egl")
    findings = doctor.examine()
    assert not [finding for finding in findings if finding.status == "missing"]
    assert named(findings, "drawing").detail == "MuJoCo draws with egl."
    assert named(findings, "ffmpeg").detail.startswith("ffmpeg version")
    assert named(findings, "torch build").detail.startswith(("CPU, ", "CUDA "))
    assert named(findings, "plugin oracle").detail.startswith("prefrl-oracle ")


def test_no_gl_is_missing_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def gl_backend() -> str:
        raise EnvironmentMissing("Clips cannot be drawn. Install libegl1.")

    monkeypatch.setattr(doctor, "gl_backend", gl_backend)
    assert doctor._drawing() == Finding("drawing", "missing", "Clips cannot be drawn. Install libegl1.")


def test_an_ffmpeg_that_cannot_be_found_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    finding = doctor._ffmpeg()
    assert finding.status == "missing"
    assert "IMAGEIO_FFMPEG_EXE" in finding.cure


@pytest.mark.parametrize(("reasons", "status", "words"), [
    ({}, "ok", "strict: namespaces"),
    ({"strict": "no bubblewrap."}, "warning", "the best tier for programs of others is 'seccomp': no bubblewrap."),
    ({"strict": "no Linux.", "seccomp": "no.", "trust": "no."}, "warning", "programs of others cannot be run: no Linux."),
])  # fmt: skip
def test_the_sandbox_says_which_tier_works(
    monkeypatch: pytest.MonkeyPatch, reasons: dict[str, str], status: str, words: str
) -> None:
    monkeypatch.setattr(doctor, "obstacle", lambda tier: reasons.get(tier, ""))
    finding = doctor._sandbox()
    assert finding.status == status
    assert words in finding.detail


def test_little_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=5e8))
    assert doctor._disk(tmp_path).status == "warning"
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=9e9))
    assert doctor._disk(tmp_path) == Finding("disk", "ok", "9 GB free here")


@pytest.mark.parametrize(("cuda", "gpu", "driver", "status"), [
    (None, False, None, "ok"), (None, False, "/usr/bin/nvidia-smi", "warning"),
    ("13.0", True, "/usr/bin/nvidia-smi", "ok"), ("13.0", False, "/usr/bin/nvidia-smi", "warning"),
])  # fmt: skip
def test_a_gpu_that_torch_cannot_use_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, gpu: bool, driver: str | None, status: str
) -> None:
    fake = SimpleNamespace(
        version=SimpleNamespace(cuda=cuda),
        cuda=SimpleNamespace(is_available=lambda: gpu, get_device_name=lambda i: "H"),
    )
    monkeypatch.setattr("prefrl.doctor.importlib.import_module", lambda name: fake)
    monkeypatch.setattr(shutil, "which", lambda name: driver)
    build, device = doctor._torch()
    assert build.detail.startswith("CPU" if cuda is None else "CUDA 13.0")
    assert device.status == status


def test_a_torch_that_is_absent_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr("prefrl.doctor.importlib.import_module", absent)
    (finding,) = doctor._torch()
    assert (finding.status, finding.cure) == ("missing", "Install torch again: make clean setup.")


def test_a_broken_plugin_and_a_restriction_are_warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "teacher.py").write_text("import no_such_module", encoding="utf-8")
    monkeypatch.setenv("PREFRL_LOAD_PLUGINS", "")
    findings = list(doctor._plugins(tmp_path))
    assert [(finding.name, finding.status) for finding in findings] == [
        ("plugin prefrl.builtin", "ok"), ("plugin teacher", "warning"), ("PREFRL_LOAD_PLUGINS", "warning"),
    ]  # fmt: skip
    assert "no_such_module" in findings[1].detail
