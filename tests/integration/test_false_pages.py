"""Code changes and a page does not, or the other way round: each time a check that `make docs` runs first says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from prefrl import builtin
from prefrl.doors import Found, PluginRecord, installed
from prefrl.errors import ConfigError, PrefrlError
from prefrl.options import NoOptions
from prefrl.plugins import PluginHost
from prefrl.specs import LossSpec, hookimpl


@pytest.fixture(scope="module")
def docs(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("test_docs.py")


def block(docs: ModuleType, language: str, containing: str) -> Any:
    return next(one for one in docs._blocks(language) if containing in one.text and one.mark == "")


# --- the code changes ------------------------------------------------------------------------------------------------


def test_a_changed_signature(docs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(run: Any, answers: Any) -> None: ...

    docs.test_hook_has_a_section_with_its_exact_signature("prefrl_on_preferences")
    monkeypatch.setitem(docs.HOOKS, "prefrl_on_preferences", changed)
    with pytest.raises(AssertionError):
        docs.test_hook_has_a_section_with_its_exact_signature("prefrl_on_preferences")


def test_a_new_hook_that_no_page_mentions(docs: ModuleType) -> None:
    with pytest.raises(ValueError, match="not enough values"):
        docs.test_hook_has_a_section_with_its_exact_signature("prefrl_on_nothing")
    with pytest.raises(AssertionError):
        docs.test_hook_has_a_test_of_its_name("prefrl_on_nothing")


def test_an_option_that_is_gone(docs: ModuleType) -> None:
    """Bradley-Terry without its options, as if `smoothing` had been renamed."""

    @hookimpl
    def prefrl_register_losses() -> Iterable[LossSpec]:
        for spec in builtin.prefrl_register_losses():
            yield replace(spec, options=NoOptions) if spec.name == "bradley_terry" else spec

    hooks = {name: hook for name, hook in vars(builtin).items() if hasattr(hook, "prefrl_impl")}
    changed = SimpleNamespace(**{**hooks, "prefrl_register_losses": prefrl_register_losses})
    before, after = PluginHost(strict=True), PluginHost(strict=True)
    before.admit(Found(PluginRecord("prefrl", "as it is"), lambda: builtin))
    after.admit(Found(PluginRecord("prefrl", "changed"), lambda: changed))
    for host in (before, after):
        for found in installed({"PREFRL_LOAD_PLUGINS": "oracle"}):
            host.admit(found)
    page = block(docs, "yaml", "bradley_terry, smoothing")
    docs.test_yaml_resolves_as_part_of_a_run(page, before)
    with pytest.raises(ConfigError, match="smoothing"):
        docs.test_yaml_resolves_as_part_of_a_run(page, after)


def test_a_key_of_a_run_without_a_heading(docs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {**docs.settings.RunSettings.model_fields, "gravity": None}
    monkeypatch.setattr(docs, "settings", SimpleNamespace(RunSettings=SimpleNamespace(model_fields=fields)))
    with pytest.raises(AssertionError):
        docs.test_every_key_of_a_run_has_a_heading()


# --- the page changes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "containing", "check", "old", "new"),
    [
        ("python", "prefrl_register_selectors", "test_python_runs_and_its_hooks_are_accepted", "hookimpl\ndef prefrl_register_selectors", "hookimpl\ndef prefrl_register_selector"),
        ("python", "Tiers(((2,)", "test_python_runs_and_its_hooks_are_accepted", "(1, 1, 0, -1)", "(1, 1, 0, 0)"),
        ("python", "Tiers(((2,)", "test_python_runs_and_its_hooks_are_accepted", "import Tiers", "import Tires"),
        ("sh", "prefrl data collect run.yaml", "test_command_lines_are_understood", "--queries", "--question"),
        ("sh", "prefrl plugins new my-teacher", "test_command_lines_are_understood", "plugins new", "plugins make"),
    ],
)  # fmt: skip
def test_a_changed_code_block(docs: ModuleType, language: str, containing: str, check: str, old: str, new: str) -> None:
    page = block(docs, language, containing)
    assert old in page.text
    getattr(docs, check)(page)
    with pytest.raises((Exception, SystemExit)):
        getattr(docs, check)(replace(page, text=page.text.replace(old, new)))


def test_a_changed_yaml_block(docs: ModuleType) -> None:
    page = block(docs, "yaml", "selector: disagreement_kcenter")
    host = PluginHost.from_environment(environ={})
    with pytest.raises(PrefrlError, match="disagreement_kcentre"):
        docs.test_yaml_resolves_as_part_of_a_run(replace(page, text=page.text.replace("kcenter", "kcentre")), host)


def test_a_link_that_leads_nowhere(docs: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[there](page.md) and [nowhere](gone.md)")
    with pytest.raises(AssertionError):
        docs.test_links_inside_the_repository_lead_somewhere(page)


def test_what_builds_the_pages_checks_them_first() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.split("\ndocs: ")[1].split("\n\n")[0]
    assert recipe.index("pytest -q tests/test_docs.py") < recipe.index("sphinx-build -W")
