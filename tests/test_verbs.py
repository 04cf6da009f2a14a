"""Verbs of installed plugins: listed without importing them, loaded when called, broken ones said in a sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from prefrl import cli


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_verbs_of_plugins_load_when_called(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    app = typer.Typer()
    app.command()(lambda name: typer.echo(f"ranking {name}"))
    loads = []

    def entry(verb: str, load: Any) -> Any:
        return SimpleNamespace(name=verb, value="lab:app", dist=SimpleNamespace(name="lab", version="2"), load=load)

    verbs = [entry("rank", lambda: loads.append(1) or app), entry("oops", lambda: 1 / 0)]

    def entry_points(group: str, name: str | None = None) -> list[Any]:
        return [verb for verb in verbs if group == "prefrl.commands" and name in {None, verb.name}]

    monkeypatch.setattr("prefrl.cli.metadata.entry_points", entry_points)
    code, out, _ = call(capsys, "--help")
    assert (code, loads) == (0, [])
    assert "rank     From lab 2." in out
    assert call(capsys, "rank", "clips")[:2] == (0, "ranking clips\n")
    assert loads == [1]
    assert call(capsys, "oops") == (
        2,
        "",
        "prefrl: the verb 'oops' of lab 2 failed to load: ZeroDivisionError: division by zero\n",
    )


def test_a_verb_of_ours_that_is_not_installed_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefrl.cli.metadata.entry_points", lambda group, name=None: [])
    code, _, err = call(capsys, "rank", "clips")
    assert (code, err) == (
        2,
        "prefrl: the verb 'rank' comes with prefrl-human, which is not installed: pip install prefrl-human\n",
    )
