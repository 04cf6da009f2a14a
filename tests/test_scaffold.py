"""A new plugin of each kind is a whole distribution that passes its own tests; what cannot be written is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from prefrl import scaffold
from prefrl.errors import ConfigError
from prefrl.options import Options
from prefrl.plugins import KINDS, PluginHost

NAMES = {kind: f"lab-{kind.replace('_', '-')}" for kind in scaffold.KINDS}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugin of each kind, installed as `pip install -e` would: its folder on the path, its entry point in metadata."""
    folder = tmp_path_factory.mktemp("lab")
    for kind, name in NAMES.items():
        scaffold.write(name, kind, folder)
        entry = tomllib.loads((folder / name / "pyproject.toml").read_text())["project"]["entry-points"]["prefrl"]
        info = folder / name / f"{name.replace('-', '_')}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(f"[prefrl]\n{name} = {entry[name]}\n")
    return folder


def test_new_plugins_pass_their_own_tests_at_once(lab: Path) -> None:
    paths = os.pathsep.join(str(lab / name) for name in NAMES.values())
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        *NAMES.values(),
    ]
    done = subprocess.run(command, cwd=lab, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("kind", scaffold.KINDS)
def test_what_is_written_offers_one_thing_of_its_kind(
    kind: str, lab: Path, monkeypatch: pytest.MonkeyPatch, prefrl_host: PluginHost
) -> None:
    from prefrl.doors import module

    monkeypatch.syspath_prepend(str(lab / NAMES[kind]))
    name = NAMES[kind].replace("-", "_")
    record = prefrl_host.admit(module(name))
    plural = scaffold.KINDS[kind].plural
    assert record.offers == {plural: (name,)}
    spec = prefrl_host.spec(plural, name)
    assert type(spec) is KINDS[plural][0]
    assert issubclass(spec.options, Options)
    assert spec.options.model_fields
    readme = (lab / NAMES[kind] / "README.md").read_text()
    assert name in readme
    assert (lab / NAMES[kind] / name / "py.typed").exists()


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("my-teacher", "sauce", "no kind 'sauce'. Allowed: learner, loss, procedure, reward_model, selector, source. Did you mean 'source'?"),
        ("My Teacher", "source", "Did you mean 'my-teacher'?"),
        ("MyTeacher", "source", "Did you mean 'my-teacher'?"),
        ("3rd", "source", "Did you mean 'my-3rd'?"),
        ("../up", "source", "Did you mean 'up'?"),
        ("", "source", "Did you mean 'my'?"),
        ("a" * 51, "source", "at most 50"),
        ("json", "source", "the name is taken. Try 'my-json'."),
        ("class", "source", "the name is taken. Try 'my-class'."),
        ("known", "source", "'known' is offered already"),
        ("there", "source", "is there already"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_in_a_sentence(name: str, kind: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigError) as caught:
        scaffold.write(name, kind, tmp_path, {"known": None})
    assert words in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize("name", ["My Teacher", "3rd", "../up", "--", "Ünïcode!", "a" * 80, "x_y"])
def test_the_nearest_name_can_be_used(name: str) -> None:
    assert scaffold.NAME.fullmatch(scaffold.nearest(name))
