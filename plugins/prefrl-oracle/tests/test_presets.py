"""The presets under configs/teachers are B-Pref's six teachers: one knob each, over any run."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefrl import config, tree
from prefrl.plugins import PluginHost
from prefrl_oracle.options import OracleOptions

FOLDER = Path(__file__).parents[3] / "configs" / "teachers"
TEACHERS = {
    "oracle": {}, "mistake": {"mistake": 0.1}, "noisy": {"beta": 1.0}, "skip": {"skip": 0.1}, "equal": {"equal": 0.1},
    "myopic": {"discount": 0.9},
}  # fmt: skip


@pytest.mark.skipif(not FOLDER.exists(), reason="presets lie in the repository, beside the plugin")
def test_each_preset_sets_one_knob_of_a_run(tmp_path: Path) -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(TEACHERS)
    host = PluginHost.from_environment(environ={})
    for name, knobs in TEACHERS.items():
        run = tmp_path / f"{name}.yaml"
        run.write_text(
            f"extends: {FOLDER / name}.yaml\nenv: {{id: Pendulum-v1}}\nalgo: {{name: ppo}}\n", encoding="utf-8"
        )
        settings = config.resolve(tree.read(run), host)
        assert settings.sources["oracle"].options == OracleOptions(**knobs)
