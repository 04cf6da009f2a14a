"""Every shipped configuration resolves, and whatever is done to one, the answer is settings or sentences with their places."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from prefrl import config
from prefrl.bench.suite import is_suite
from prefrl.plugins import PluginHost

ROOT = Path(__file__).parents[1]
SHIPPED = [path for path in sorted((ROOT / "configs").rglob("*.yaml")) if not is_suite(path)]


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost.from_environment()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT / "configs")))
def test_every_shipped_config_resolves(path: Path, host: PluginHost, tmp_path: Path) -> None:
    """A part (a method, a teacher) on a run that names a task."""
    run = tmp_path / "run.yaml"
    run.write_text(f"env: {{id: HalfCheetah-v5}}\nalgo: {{}}\nextends: {path}", encoding="utf-8")
    assert config.resolve(config.read(run), host).env.id
    if path.parent.name not in {"methods", "teachers"}:
        settings = config.resolve(config.read(path), host)
        run.write_text(config.dump(settings), encoding="utf-8")
        assert config.resolve(config.read(run), host) == settings


# --- the small form of `python tests/soak/fuzz_configs.py` -----------------------------------------------------------


@pytest.fixture(scope="module")
def fuzz(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("soak/fuzz_configs.py")


def test_damaged_and_invented_configs_never_end_in_a_traceback(fuzz: ModuleType, tmp_path: Path) -> None:
    counts = fuzz.fuzz(400, 100, seed=1, folder=tmp_path)
    assert sum(counts.values()) == 500
    kinds = {outcome.partition(": ")[2].partition(": ")[2] for outcome in counts}
    assert kinds >= {"unknown key", "type", "node kind", "YAML", "file", "missing"}  # it reaches what it is for
    assert counts["mutated: resolves"] > 20


def test_what_must_not_happen_is_a_breach(
    fuzz: ModuleType, tmp_path: Path, host: PluginHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("env: {id: A}\nalgo: {}", encoding="utf-8")
    assert fuzz.judge(path, host) == "resolves"
    with monkeypatch.context() as patched:
        patched.setattr(config, "resolve", lambda tree, registry: 1 / 0)
        with pytest.raises(fuzz.Breach, match="a traceback"):
            fuzz.judge(path, host)
    with monkeypatch.context() as patched:
        patched.setattr(config, "dump", lambda settings: f"env: {{id: {settings.env.id}x}}\nalgo: {{}}")
        with pytest.raises(fuzz.Breach, match="reads as something else"):
            fuzz.judge(path, host)
    path.unlink()
    with pytest.raises(fuzz.Breach, match="without a place"):
        fuzz.judge(path, host)
