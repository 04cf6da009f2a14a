"""`prefrl plugins new` and `check NAME`; listing and showing are tried in test_cli.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefrl import cli

BAD = """
from prefrl.specs import SourceSpec, hookimpl
from prefrl.types import Preference, Tiers

class Bad:
    def label(self, queries, context):
        for query in queries:
            yield Preference.of(query, Tiers.of_ranks(range(len(query.items))), source="somebody")

@hookimpl
def prefrl_register_sources():
    yield SourceSpec(name="signs_wrong", summary="", build=lambda options, context: Bad())
"""


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(list(arguments))
    return (code, *capsys.readouterr())


def test_check_tries_the_promises_of_named_plugins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.py").write_text(BAD, encoding="utf-8")
    code, out, _ = call(capsys, "plugins", "check", "bad", "--plugins-dir", str(tmp_path))
    assert code == 2
    lines = out.splitlines()
    assert lines[0].split()[:2] == ["bad", "active"]
    assert lines[1] == "preference source: signs_wrong: 10 of 11 promises kept"
    assert lines[2].startswith("    broken: signs_with_the_name_it_was_given: Its answers carry the name")
    assert lines[3].strip() == "seen: built as 'asked_as', it signs as somebody"
    assert "mend:" in lines[4]


def test_check_keeps_all_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good.py").write_text(BAD.replace('"somebody"', "context_name").replace(
        "def label", "def __init__(self, name): self.name = name\n    def label"
    ).replace("context_name", "self.name").replace("Bad()", "Bad(context.name)"), encoding="utf-8")  # fmt: skip
    code, out, _ = call(capsys, "plugins", "check", "good", "--plugins-dir", str(tmp_path), "--json")
    (record,) = json.loads(out)
    assert code == 0
    assert {verdict["status"] for verdict in record["promises"]} == {"kept"}
    assert record["heavy"] == []


def test_new_writes_a_distribution_and_says_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "plugins", "new", "my-teacher", "--kind", "source", "--into", str(tmp_path))
    assert code == 0
    assert str(tmp_path / "my-teacher" / "my_teacher" / "source.py") in out.splitlines()
    assert "prefrl plugins check my-teacher" in out
    code, _, err = call(capsys, "plugins", "new", "my-teacher", "--kind", "source", "--into", str(tmp_path))
    assert (code, "is there already" in err) == (2, True)
    code, _, err = call(capsys, "plugins", "new", "uniform", "--kind", "selector", "--into", str(tmp_path))
    assert (code, "'uniform' is offered already" in err) == (2, True)
    code, _, err = call(capsys, "plugins", "new", "x", "--kind", "sourse", "--into", str(tmp_path))
    assert (code, "Did you mean 'source'?" in err) == (2, True)
