"""Each way a plugin can fail is recorded with its reason and stops nothing that did not ask for it."""

from __future__ import annotations

import logging
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prefrl import plugins
from prefrl.doors import Found, PluginRecord, file, module
from prefrl.errors import BrokenPlugin, DuplicateName, PluginError
from prefrl.options import Options
from prefrl.plugins import KINDS, PluginHost
from prefrl.specs import AugmentationSpec, LossSpec, SourceSpec, hookimpl

HEAD = """from prefrl.specs import hookimpl, SourceSpec
def teacher(name, **rest): return SourceSpec(name=name, summary="", build=dict, **rest)
"""


def found(name: str, plugin: object, version: str = "1.0") -> Found:
    return Found(PluginRecord(name, f"lab-{name}", version), lambda: plugin)


def offering(*names: str, **changes: Any) -> object:
    class Offers:
        @hookimpl
        def prefrl_register_sources(self) -> list[SourceSpec]:
            return [SourceSpec(name=name, summary="", build=dict, **changes) for name in names]

    return Offers()


def write(folder: Path, name: str, source: str) -> Found:
    path = folder / f"{name}.py"
    path.write_text(HEAD + textwrap.dedent(source), encoding="utf-8")
    return file(path)


@pytest.fixture
def host() -> PluginHost:
    host = PluginHost()
    host.admit(found("good", offering("oracle", "people")))
    return host


def test_every_registering_hook_has_a_kind() -> None:
    hooks = {
        name.removeprefix("prefrl_register_") for name in vars(plugins.hookspecs) if name.startswith("prefrl_register_")
    }
    assert hooks == set(KINDS)


def test_what_a_plugin_offers_is_found_by_kind_and_name(host: PluginHost) -> None:
    assert host.spec("sources", "oracle").name == "oracle"
    assert list(host.specs("sources")) == ["oracle", "people"]
    (record,) = host.records
    assert (record.status, record.offers) == ("active", {"sources": ("oracle", "people")})


BROKEN = {
    "import": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "syntax": ("def", "SyntaxError"),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "misspelt": ("@hookimpl\ndef prefrl_register_source(): return []", "Did you mean 'prefrl_register_sources'?"),
    "argument": ("@hookimpl\ndef prefrl_on_run_ended(run, sumary): pass", "sumary"),
    "unmarked": ("def prefrl_register_sources(): return []", "put @hookimpl"),
    "wrapper": ("@hookimpl(wrapper=True)\ndef prefrl_register_sources(): return (yield)", "hook wrapper"),
    "raises": ("@hookimpl\ndef prefrl_register_sources(): raise KeyError('gpu')", "KeyError: 'gpu'"),
    "foreign": ("@hookimpl\ndef prefrl_register_losses(): return [teacher('a')]", "not LossSpec"),
    "nothing": ("@hookimpl\ndef prefrl_register_sources(): pass", "TypeError"),
    "api": ("@hookimpl\ndef prefrl_register_sources(): return [teacher('a', api=9)]", "API 9"),
    "twice": ("@hookimpl\ndef prefrl_register_sources(): return 2 * [teacher('a')]", "twice"),
    "blank": ("@hookimpl\ndef prefrl_register_sources(): return [teacher('a b')]", "'a b'"),
    "model": ("@hookimpl\ndef prefrl_register_sources(): return [teacher('a', options=dict)]", "Options"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_recorded_and_leaves_nothing_behind(host: PluginHost, tmp_path: Path, name: str) -> None:
    source, reason = BROKEN[name]
    record = host.admit(write(tmp_path, name, source))
    assert record.status == "broken"
    assert reason in record.error
    assert list(host.specs("sources")) == ["oracle", "people"]
    assert not any(host.specs(kind) for kind in KINDS if kind != "sources")
    host.emit("run_ended", None, None)  # type: ignore[arg-type]
    assert host.admit(found("later", offering("later"))).status == "active"


@pytest.mark.parametrize("name", ["import", "misspelt", "raises", "api"])
def test_a_strict_host_raises_instead(tmp_path: Path, name: str) -> None:
    with pytest.raises(Exception, match=r".+"):
        PluginHost(strict=True).admit(write(tmp_path, name, BROKEN[name][0]))


def test_half_a_plugin_is_no_plugin(host: PluginHost, tmp_path: Path) -> None:
    host.admit(write(tmp_path, "half", """
        @hookimpl
        def prefrl_register_sources(): return [teacher('half')]
        @hookimpl
        def prefrl_register_selectors(): raise RuntimeError
    """))  # fmt: skip
    with pytest.raises(PluginError, match="no preference source named 'half'"):
        host.spec("sources", "half")


def test_an_unknown_name_says_what_there_is_what_is_near_and_what_failed(host: PluginHost, tmp_path: Path) -> None:
    host.admit(write(tmp_path, "teacher", "import no_such_module"))
    with pytest.raises(PluginError) as raised:
        host.spec("sources", "orcale")
    said = str(raised.value)
    for part in (
        "no preference source named 'orcale'",
        "Allowed: oracle, people.",
        "Did you mean 'oracle'?",
        "teacher",
        "no_such_module",
    ):
        assert part in said
    with pytest.raises(BrokenPlugin, match="no_such_module"):
        host.spec("sources", "teacher")
    with pytest.raises(PluginError, match="install it, list its module under 'plugins:'"):
        host.spec("sources", "xyzzy")


def test_a_name_offered_twice_is_refused_naming_both_and_stops_only_who_asks(host: PluginHost) -> None:
    host.admit(found("rival", offering("oracle", "crowd"), "2.0"))
    with pytest.raises(DuplicateName, match=r"lab-good 1\.0 and by lab-rival 2\.0.*PREFRL_LOAD_PLUGINS"):
        host.spec("sources", "oracle")
    assert host.spec("sources", "crowd").name == "crowd"
    assert list(host.specs("sources")) == ["crowd", "people"]
    assert {record.name: record.status for record in host.records} == {"good": "conflict", "rival": "conflict"}
    assert "'oracle' is also offered by lab-good 1.0" in host.records[1].error


def test_two_plugins_of_one_name_are_not_mixed_up(host: PluginHost) -> None:
    second = host.admit(found("good", offering("other"), "9"))
    assert second.status == "broken"
    assert "lab-good 1.0" in second.error
    assert "other" not in host.specs("sources")


def test_one_module_through_two_doors_is_one_plugin() -> None:
    host = PluginHost()
    host.admit(Found(PluginRecord("built-in", "prefrl"), module("prefrl.builtin").load))
    host.load_modules(["prefrl.builtin"])
    assert len(host.records) == 1
    assert "online" in host.specs("procedures")


def test_a_module_that_a_run_names_must_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab_teacher.py").write_text("1 / 0", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BrokenPlugin, match="'lab_teacher' failed to load: ZeroDivisionError"):
        PluginHost().load_modules(["lab_teacher"])


class Recorder:
    def __init__(self) -> None:
        self.heard: list[object] = []

    @hookimpl
    def prefrl_on_preferences(self, preferences: object) -> None:
        self.heard.append(preferences)


class Raising:
    def __init__(self) -> None:
        self.calls = 0

    @hookimpl
    def prefrl_on_preferences(self, run: object, preferences: object) -> None:
        self.calls += 1
        raise ValueError("no disk")

    @hookimpl
    def prefrl_render_segment(self, segment: object) -> None:
        raise RuntimeError("no GL")


def test_a_raising_observer_is_retired_with_one_warning_and_others_hear(
    host: PluginHost, caplog: pytest.LogCaptureFixture
) -> None:
    raising, recorder = Raising(), Recorder()
    host.admit(found("raising", raising))
    host.admit(found("recorder", recorder))
    with caplog.at_level(logging.WARNING):
        host.emit("preferences", None, ["first"])  # type: ignore[arg-type]
        host.emit("preferences", None, ["second"])  # type: ignore[arg-type]
    assert recorder.heard == [["first"], ["second"]]
    assert raising.calls == 1
    assert len(caplog.records) == 1
    assert "lab-raising 1.0" in caplog.text
    record = next(record for record in host.records if record.name == "raising")
    assert (record.status, record.error) == ("retired", "prefrl_on_preferences raised ValueError: no disk")


def test_a_strict_host_lets_observers_raise() -> None:
    host = PluginHost(strict=True)
    host.admit(found("raising", Raising()))
    with pytest.raises(ValueError, match="no disk"):
        host.emit("preferences", None, [])  # type: ignore[arg-type]


def test_a_raising_answer_counts_as_none(host: PluginHost) -> None:
    host.admit(
        found("painter", SimpleNamespace(prefrl_render_segment=hookimpl(lambda segment, size: f"{segment} at {size}")))
    )
    host.admit(found("raising", Raising()))
    assert host.answer("render_segment", segment="clip", size=64, camera=None) == "clip at 64"
    assert PluginHost().answer("render_segment", segment="clip", size=64, camera=None) is None


def test_options_may_not_hide_behind_the_hosts_own_keys(host: PluginHost) -> None:
    class Shadowing(Options):
        budget: int = 3

    record = host.admit(found("shadow", offering("shadow", options=Shadowing)))
    assert record.status == "broken"
    assert "budget" in record.error


def test_specs_of_other_kinds_meet_the_same_checks(host: PluginHost) -> None:
    class Mixed:
        @hookimpl
        def prefrl_register_losses(self) -> list[LossSpec]:
            return [LossSpec(name="hinge", summary="", build=dict)]

        @hookimpl
        def prefrl_register_augmentations(self) -> tuple[AugmentationSpec, ...]:
            return (AugmentationSpec(name="noise", summary="", build=dict),)

    assert host.admit(found("mixed", Mixed())).offers == {"losses": ("hinge",), "augmentations": ("noise",)}


def test_the_environment_chooses_what_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution = SimpleNamespace(name="lab", version="3.1")
    entries = [
        SimpleNamespace(name=name, value=f"lab_{name}", dist=distribution, load=lambda name=name: offering(name))
        for name in ("zeta", "alpha")
    ]
    monkeypatch.setattr("prefrl.doors.metadata.entry_points", lambda group: entries)

    def names(environ: dict[str, str]) -> list[str]:
        return [record.name for record in PluginHost.from_environment(environ=environ).records]

    assert names({}) == ["prefrl.builtin", "alpha", "zeta"]
    assert names({"PREFRL_LOAD_PLUGINS": ""}) == ["prefrl.builtin"]
    assert names({"PREFRL_LOAD_PLUGINS": "zeta"}) == ["prefrl.builtin", "zeta"]
    host = PluginHost.from_environment(environ={"PREFRL_LOAD_PLUGINS": "zeta"})
    with pytest.raises(PluginError, match="PREFRL_LOAD_PLUGINS keeps out: alpha"):
        host.spec("sources", "alpha")
    assert PluginHost.from_environment(environ={"PREFRL_STRICT": "1"}).strict
    write(
        tmp_path,
        "mine",
        "@hookimpl\ndef prefrl_register_sources(): return [teacher('mine')]",
    )
    assert "mine" in PluginHost.from_environment(tmp_path, environ={}).specs("sources")


@pytest.mark.parametrize(
    ("api", "words"), [(9, "install a newer prefrl"), (0, "install another version of the plugin")]
)
def test_a_foreign_api_is_refused_with_what_to_install(api: int, words: str) -> None:
    record = PluginHost().admit(found("lab", offering("teacher", api=api)))
    assert record.status == "broken"
    assert f"plugin API {api}; this prefrl supports 1: {words}" in record.error


def test_an_old_api_is_warned_of_before_it_goes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(plugins, "SUPPORTED_API", range(1, 3))
    host = PluginHost()
    assert host.admit(found("old", offering("teacher", api=1))).status == "active"
    assert "'teacher' was written for plugin API 1, which the next prefrl may refuse" in caplog.text
    caplog.clear()
    assert host.admit(found("new", offering("modern", api=2))).status == "active"
    assert caplog.text == ""


def test_a_plugin_that_does_not_say_was_written_for_the_first_api(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(plugins, "SUPPORTED_API", range(1, 3))
    assert PluginHost().admit(found("old", offering("teacher"))).status == "active"
    assert "'teacher' was written for plugin API 1" in caplog.text
    monkeypatch.setattr(plugins, "SUPPORTED_API", range(2, 4))
    record = PluginHost().admit(found("old", offering("teacher")))
    assert record.error == (
        "'teacher' was written for plugin API 1; this prefrl supports 2 or 3: install another version of the plugin"
    )
