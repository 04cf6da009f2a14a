from __future__ import annotations

from pathlib import Path

from prefrl.doors import built_in, file, module
from prefrl.probe import probe, probe_all

TEACHER = """
from prefrl.specs import SourceSpec, hookimpl
@hookimpl
def prefrl_register_sources():
    return [SourceSpec(name="teacher", summary="", build=dict)]
"""


def plugin(folder: Path, source: str) -> Path:
    path = folder / "lab.py"
    path.write_text(source, encoding="utf-8")
    return path


def test_a_good_plugin_tells_what_it_offers_whatever_it_prints(tmp_path: Path) -> None:
    record, heavy = probe(file(plugin(tmp_path, "print('hello')\nimport os; os.write(1, b'{')" + TEACHER)))
    assert (record.status, record.offers, heavy) == ("active", {"sources": ("teacher",)}, ())


def test_a_hanging_import_ends_at_the_limit(tmp_path: Path) -> None:
    record, _ = probe(file(plugin(tmp_path, "import time; time.sleep(60)")), limit=2)
    assert (record.status, record.error) == ("broken", "its import took longer than 2 s")


def test_a_crash_is_a_reason(tmp_path: Path) -> None:
    record, _ = probe(file(plugin(tmp_path, "import os; os._exit(9)")))
    assert record.status == "broken"
    assert "exit status 9" in record.error


def test_an_import_error_is_the_reason() -> None:
    record, _ = probe(module("no_such_plugin"))
    assert record.error == "ModuleNotFoundError: No module named 'no_such_plugin'"


def test_a_heavy_import_is_named(tmp_path: Path) -> None:
    fake = "import sys, types; sys.modules['torch'] = types.ModuleType('torch')\n"
    assert probe(file(plugin(tmp_path, fake + TEACHER)))[1] == ("torch",)


def test_the_built_in_plugin_is_light_and_active() -> None:
    record, heavy = probe(built_in())
    assert (record.status, heavy) == ("active", ())
    assert "ppo" in record.offers["learners"]


def test_names_offered_twice_are_found_across_processes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(TEACHER, encoding="utf-8")
    records = [
        record
        for record, _ in probe_all([file(tmp_path / "one.py"), file(tmp_path / "two.py"), module("no_such_plugin")])
    ]
    assert [record.status for record in records] == ["conflict", "conflict", "broken"]
    assert str(tmp_path / "two.py") in records[0].error
