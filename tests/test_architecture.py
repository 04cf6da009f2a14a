"""What the design promises of the source tree: a true map, mirrored tests, small rooms, light imports, hooks of one grammar."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import prefrl
from prefrl import hookspecs

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "prefrl"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)
SOURCES = [
    *MODULES,
    *sorted((ROOT / "envs").glob("prefrl_*/**/*.py")),
    *sorted((ROOT / "plugins").glob("*/prefrl_*/**/*.py")),
]
MAX_LINES = 400
FORBIDDEN_NAMES = {"utils", "util", "helpers", "manager", "base", "core", "common", "misc"}
ENTRY_POINTS = {"__init__", "__main__"}
LIGHT = ["prefrl", "prefrl.errors", "prefrl.types", "prefrl.options", "prefrl.zoo", "prefrl.doors", "prefrl.tree", "prefrl.settings", "prefrl.specs",
         "prefrl.hookspecs", "prefrl.config", "prefrl.schema", "prefrl.plugins", "prefrl.cli", "prefrl.probe", "prefrl.builtin", "prefrl.scaffold", "prefrl.plugin_commands",
         "prefrl.soundness", "prefrl.testing", "prefrl.testing.examples", "prefrl._pytest_plugin"]  # fmt: skip


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


# --- the map ---------------------------------------------------------------------------------------------------------


def test_the_map_names_every_module_once_and_nothing_else() -> None:
    mapped = re.findall(r"^    (\w+)  +\S", str(prefrl.__doc__), flags=re.MULTILINE)
    there = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(mapped) == sorted(there - ENTRY_POINTS)


def test_public_names_are_what_they_say() -> None:
    assert prefrl.__all__ == sorted(prefrl.__all__)
    assert dir(prefrl) == prefrl.__all__
    for name in prefrl.__all__:
        assert getattr(prefrl, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Preferences'"):
        _ = prefrl.Preferences


PUBLISHED = ("types", "specs", "options", "errors", "losses", "sandbox", "store", "testing")


def test_what_plugins_import_is_published_on_purpose() -> None:
    """A name that leaves the list breaks somebody's plugin: it goes with a line in the changelog, after a warning."""
    found = []
    for name in PUBLISHED:
        module = import_module(f"prefrl.{name}")
        assert list(module.__all__) == sorted(module.__all__), name
        assert [one for one in module.__all__ if not hasattr(module, one)] == []
        found += [f"prefrl.{name}.{one}" for one in module.__all__]
    assert sorted(found) == (ROOT / "tests" / "data" / "published.txt").read_text(encoding="utf-8").split()


# --- rooms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_a_module_is_one_small_room_that_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    assert path.stem not in FORBIDDEN_NAMES
    assert ast.get_docstring(ast.parse(text)), "a module opens with a sentence"


def test_most_functions_are_short() -> None:
    lengths = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lengths[f"{short(path)}:{node.lineno} {node.name}"] = node.end_lineno - node.lineno + 1
    long = {name: length for name, length in lengths.items() if length > 40}
    assert len(long) <= 0.05 * len(lengths), long
    assert max(lengths.values()) <= 80, max(lengths, key=lambda name: lengths[name])


# --- tests mirror the source -----------------------------------------------------------------------------------------


def mirror(path: Path) -> Path:
    inside = path.relative_to(PACKAGE)
    return ROOT / "tests" / inside.parent / f"test_{inside.stem}.py"


def test_every_module_has_its_test_file() -> None:
    """A folder's modules may also be tested by what they do, in any file of the mirrored folder."""
    missing = []
    for path in MODULES:
        folder = mirror(path).parent
        tested_together = path.parent != PACKAGE and any(folder.glob("test_*.py"))
        if path.stem not in ENTRY_POINTS and not mirror(path).exists() and not tested_together:
            missing.append(short(path))
    assert not missing


def test_every_test_file_mirrors_a_module_or_a_folder() -> None:
    about_the_whole = {"test_architecture", "test_docs", "test_configs", "test_lifecycle", "test_golden_run"}
    orphans = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        inside = path.relative_to(ROOT / "tests")
        module = PACKAGE / inside.parent / f"{path.stem.removeprefix('test_')}.py"
        package = PACKAGE / inside.parent / path.stem.removeprefix("test_") / "__init__.py"
        whole = path.stem in about_the_whole or inside.parts[0] in {"integration", "soak"}
        in_folder = len(inside.parts) > 1 and (PACKAGE / inside.parts[0] / "__init__.py").exists()
        if not (whole or in_folder or module.exists() or package.exists()):
            orphans.append(str(inside))
    assert not orphans


# --- imports ---------------------------------------------------------------------------------------------------------


def test_the_light_modules_import_nothing_heavy() -> None:
    """import-linter does not see that a submodule runs its package, so the real thing is tried once more."""
    options = [dotted(path) for path in MODULES if path.stem == "options"]
    code = f"""
import importlib, sys
for name in {[*LIGHT, *options]!r}:
    importlib.import_module(name)
    heavy = {{"torch", "stable_baselines3", "mujoco", "gymnasium", "matplotlib", "sqlalchemy"}} & set(sys.modules)
    assert not heavy, f"{{name}} imports {{heavy}}"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_rules_know_every_distribution() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    packages = {
        path.parent.name
        for pattern in ("envs/*/__init__.py", "plugins/*/prefrl_*/__init__.py")
        for path in ROOT.glob(pattern)
    }
    assert set(config["root_packages"]) == {"prefrl", *packages - {"tests"}}
    heavy_rule = next(contract for contract in config["contracts"] if contract["name"].startswith("2 what is read"))
    assert "prefrl.**.options" in heavy_rule["source_modules"]


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").glob("*/prefrl_*/**/*.py")), ids=short)
def test_our_plugins_say_which_api_they_were_written_for(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Spec"):
            assert "api" in {keyword.arg for keyword in node.keywords}, f"{short(path)}:{node.lineno}: add api=1"


# --- hooks -----------------------------------------------------------------------------------------------------------

HOOKS = {name: function for name, function in vars(hookspecs).items() if name.startswith("prefrl_")}


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_follows_the_grammar(name: str) -> None:
    function = HOOKS[name]
    parameters = list(inspect.signature(function).parameters)
    returns = inspect.signature(function).return_annotation
    first = function.prefrl_spec["firstresult"]
    assert function.__doc__
    if name.startswith("prefrl_register_"):
        assert (parameters, first) == ([], False)
        assert re.fullmatch(r"Iterable\[\w+Spec\]", returns)
    elif name.startswith("prefrl_on_"):
        assert (parameters[0], len(parameters), returns, first) == ("run", 2, "None", False)
    else:
        assert first
        assert returns.endswith("| None")
    assert not function.prefrl_spec["historic"]
