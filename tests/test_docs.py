"""The documentation is true: blocks run and resolve, signatures and keys are those of the code, commands exist."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shlex
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import typer.main

from prefrl import config, hookspecs, settings, tree
from prefrl.bench.cells import cells_of
from prefrl.bench.suite import open_suite
from prefrl.options import Options
from prefrl.plugins import KINDS, Found, PluginHost, PluginRecord
from prefrl.specs import AskContext, BuildContext
from prefrl.testing import runs
from prefrl.testing.runs import TINY
from prefrl.types import EnvInfo, Query, Segment
from prefrl.verbs import VERBS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "RELEASING.md", *sorted((ROOT / "docs").glob("*.md"))]
HOOKS = {name: value for name, value in vars(hookspecs).items() if name.startswith("prefrl_")}
BASE = tree.parse("env: {id: HalfCheetah-v5}\nalgo: {name: ppo}\nsources: {oracle: {}}\n", "base")


@dataclass(frozen=True)
class Block:
    """A fenced block: its info string's first word, the rest of it, and its text."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def _blocks(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in _fences(page) if block.language in languages]


def _fences(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\S+)[ ]?(.*?)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        yield Block(page, text[: match.start()].count("\n") + 1, match[1], match[2], match[3])


def _named(block: Block) -> str:
    return str(block)


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost.from_environment(environ={})


def _extension(name: str) -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def option_tables() -> Iterator[ModuleType]:
    yield from _extension("option_tables")


@pytest.fixture(scope="module")
def reference() -> Iterator[ModuleType]:
    yield from _extension("reference")


# --- blocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [block for block in _blocks("yaml") if block.mark == "suite"], ids=_named)
def test_suites_resolve(block: Block, host: PluginHost, tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(block.text, encoding="utf-8")
    assert cells_of(open_suite(path), host)


@pytest.mark.parametrize("block", [block for block in _blocks("yaml") if block.mark != "suite"], ids=_named)
def test_yaml_resolves_as_part_of_a_run(block: Block, host: PluginHost) -> None:
    config.resolve(tree.merge(BASE, tree.parse(block.text, str(block))), host)


PYTHON = [block for block in _blocks("python") if block.mark != "signature"]


@pytest.mark.parametrize("block", PYTHON, ids=_named)
def test_python_runs_and_its_hooks_are_accepted(block: Block) -> None:
    module = types.ModuleType("documented")
    exec(compile(block.text, str(block), "exec"), vars(module))
    if "@hookimpl" in block.text:
        record = PluginHost(strict=True).admit(Found(PluginRecord("documented", str(block)), lambda: module))
        assert record.status == "active"


@pytest.mark.parametrize(
    "block", [b for b in PYTHON if "prefrl_register_sources" in b.text and "item.action" in b.text], ids=_named
)
def test_documented_sources_prefer_the_calmer_clip(block: Block) -> None:
    module = types.ModuleType("documented")
    exec(compile(block.text, str(block), "exec"), vars(module))
    host = PluginHost(strict=True)
    host.admit(Found(PluginRecord("documented", str(block)), lambda: module))
    (spec,) = host.specs("sources").values()
    wild, calm = (Segment.of(np.zeros((4, 2)), np.full((3, 1), size)) for size in (1.0, 0.1))
    query = Query.of("run", 0, [wild, calm])
    context = BuildContext("run", "asked_as", 0, EnvInfo("Toy-v0", (2,), (1,)))
    (answer,) = spec.build(spec.options(), context).label([query], AskContext(0, 0, np.random.default_rng(0)))
    said = answer.answer
    assert answer.source == "asked_as"  # the key in the YAML, whatever it is
    assert said.best == 1 if hasattr(said, "best") else said.ranks(2) == (1, 0)


def test_the_readmes_plugin_teaches_the_readmes_run_under_any_key(tmp_path: Path) -> None:
    (yaml,), (python,) = ([b for b in _blocks(kind) if b.page.name == "README.md"] for kind in ("yaml", "python"))
    shown = config.plain(config.resolve(tree.parse(yaml.text, str(yaml)), PluginHost.from_environment(environ={})))
    module = types.ModuleType("calm")
    exec(compile(python.text, str(python), "exec"), vars(module))
    plugin = Found(PluginRecord("calm", "README.md"), lambda: module)
    changes = {
        "sources": {"careful": {"use": "calm"}}, "feedback": {**shown["feedback"], "total": 4, "rounds": 1, "segment": 5},
        "reward": {**TINY["reward"], "loss": shown["reward"]["loss"]},
    }  # fmt: skip
    run = runs.run(tmp_path, plugins=[plugin], changes=changes)
    assert {answer.source for answer in run._log.current.values()} == {"careful"}
    assert run.reward.version == 1


def test_every_block_says_what_it_is() -> None:
    known = {"yaml", "python", "sh", "toml", "text", "{settings}", "{offered}", "{verb}", "{table_of}"}
    known |= {"{image}", "{toctree}", "{literalinclude}"}
    assert {block.language for page in PAGES for block in _fences(page)} <= known
    marks = {block.mark for block in _blocks("python", "yaml") if block.page.name != "tutorial.md"}  # there: files
    assert marks <= {"", "signature", "suite"}


# --- reference -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", HOOKS)
def test_hook_has_a_section_with_its_exact_signature(hook: str) -> None:
    text = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {hook}\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    signature = re.search(r"^```python signature\n(.*?)\n```$", section, flags=re.MULTILINE | re.DOTALL)
    assert signature is not None
    assert signature[1] == f"def {hook}{inspect.signature(HOOKS[hook])}".replace("'", "")


@pytest.mark.parametrize("hook", HOOKS)
def test_hook_has_a_test_of_its_name(hook: str) -> None:
    assert f"def test_{hook}(" in (ROOT / "tests" / "test_lifecycle.py").read_text(encoding="utf-8")


def test_no_hook_is_documented_that_does_not_exist() -> None:
    words = {
        word for page in PAGES for word in re.findall(r"\bprefrl_(?:on|register|render)_\w+", page.read_text("utf-8"))
    }
    assert words <= set(HOOKS)


def test_every_section_of_the_settings_has_its_table() -> None:
    shown = {block.mark.strip() for block in _blocks("{settings}")}
    models = {name for name, value in vars(settings).items() if inspect.isclass(value) and issubclass(value, Options)}
    assert shown == models - {"Options", "NoOptions", "Chosen", "RunSettings"}


def test_every_key_of_a_run_has_a_heading() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert [
        key for key in settings.RunSettings.model_fields if not re.search(rf"^### {key}\b", text, flags=re.MULTILINE)
    ] == []


def test_every_kind_of_thing_is_listed() -> None:
    assert {block.mark.strip() for block in _blocks("{offered}")} == set(KINDS)


def test_tables_hold_every_option_with_type_and_default(option_tables: ModuleType, host: PluginHost) -> None:
    assert "| `n_envs` | integer ≥ 1 | `8` |  |" in option_tables.section("EnvSettings")
    assert "| `validation` | number ≥ 0, < 1 | `0.1` | share of answers" in option_tables.section("FitSettings")
    assert "| `url` | text or null | `null` |" in option_tables.section("StoreSettings")
    assert "| `id` | text | required |" in option_tables.section("EnvSettings")
    for kind in KINDS:
        text = option_tables.offered(kind, host)
        for name, spec in host.specs(kind).items():
            assert f"**`{name}`**: {spec.summary}" in text
            assert all(f"| `{key}` |" in text for key in spec.options.model_fields)


def test_tables_are_well_formed(option_tables: ModuleType, host: PluginHost) -> None:
    texts = [option_tables.section(block.mark.strip()) for block in _blocks("{settings}")]
    texts += [option_tables.offered(kind, host) for kind in KINDS]
    rows = [row for text in texts for row in text.splitlines() if row.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}
    assert not [row for row in rows if "object at 0x" in row or "typing." in row]


def test_every_verb_of_ours_has_its_section(reference: ModuleType) -> None:
    shown = {block.mark.strip() for block in _blocks("{verb}")}
    foreign = {entry.name for entry in metadata.entry_points(group=VERBS)}
    assert {verb for verb in reference.every_verb() if verb.split()[0] not in foreign} <= shown
    for verb in shown:
        text = reference.verb(verb)
        assert "Verbs: " in text or f"`prefrl {verb}" in text
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in text.splitlines() if row.startswith("|")} <= {4}
    assert "| `--set KEY=VALUE` |  | Override one value" in reference.verb("train")
    assert "| `--episodes INTEGER` | `20` |" in reference.verb("eval").replace("EPISODES", "INTEGER")


def test_every_table_of_the_store_has_its_section(reference: ModuleType) -> None:
    from prefrl.store.schema import metadata as tables

    assert {block.mark.strip() for block in _blocks("{table_of}")} == set(tables.tables)
    assert "| `position` | bigint (key) | 1, 2, ... without gaps |" in reference.table_of("preference")
    for name in tables.tables:
        rows = reference.table_of(name).splitlines()
        assert len(rows) == 2 + len(tables.tables[name].columns)
        assert {row.count("|") for row in rows} == {4}


@pytest.mark.parametrize("block", _blocks("{literalinclude}"), ids=_named)
def test_what_is_included_is_there(block: Block) -> None:
    (name,) = re.findall(r"^:pyobject: (\w+)$", block.text, flags=re.MULTILINE)
    source = (block.page.parent / block.mark.strip()).read_text(encoding="utf-8")
    assert re.search(rf"^(class|def) {name}\b", source, flags=re.MULTILINE)


# --- commands and links ----------------------------------------------------------------------------------------------


def _said(command: str) -> set[str]:
    """What `command` captures where a page gives a command: at the start of a line or of inline code."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    return {said for text in texts for said in re.findall(rf"(?:`|^){command}", text, flags=re.MULTILINE)}


def test_every_command_that_is_named_exists() -> None:
    from prefrl.cli import app

    root = typer.main.get_command(app)
    for command in _said(r"prefrl ([a-z]+(?: [a-z]+)?)"):
        verb, *rest = command.split()
        found = root.get_command(typer.Context(root), verb)  # type: ignore[attr-defined]  # a group's, plugins' verbs too
        assert found is not None, f"prefrl {command}"
        if rest and hasattr(found, "commands") and not hasattr(found, "default"):
            assert rest[0] in found.commands, f"prefrl {command}"


def _commands(block: Block) -> list[str]:
    return [line for line in block.text.splitlines() if line.startswith("prefrl ")]


@pytest.mark.parametrize("block", [block for block in _blocks("sh") if _commands(block)], ids=_named)
def test_command_lines_are_understood(block: Block) -> None:
    """Parsed as the command line would, and not run: a verb, an argument or an option that is not there fails."""
    from prefrl.cli import app

    foreign = {entry.name for entry in metadata.entry_points(group=VERBS)}
    for line in _commands(block):
        command: Any = typer.main.get_command(app)
        _, *words = shlex.split(line, comments=True)
        if words[0] in foreign:
            continue
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0) if words[0] in command.commands else "run"]  # of bench
        command.make_context("prefrl", words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"(?<!!)\[[^\]]+\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_make_targets_that_are_named_exist() -> None:
    made = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert _said(r"make ([a-z-]+)") <= set(made)


def test_the_readme_has_the_two_commands_and_the_licence() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for words in ("make demo", "make test", "TORCH_INDEX", "docs/_static/cheetah.webp", "MIT"):
        assert words in text
    assert "MIT License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
