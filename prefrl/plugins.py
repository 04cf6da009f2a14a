"""The plugin host: distributions, modules and plain files come in; specs by kind and name, and isolated calls, go out.

All doors (`prefrl.doors`) lead to one `admit`, and `prefrl.builtin` passes it like a stranger. A plugin that fails is recorded
with its reason and stops only a run that asks for what it offers. Implementations are called one by one, so that a failure
has an owner; hook wrappers are therefore refused. There is no global host: the command line builds one and passes it down.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pluggy

from prefrl import hookspecs
from prefrl.doors import BLOCKING, BUILT_IN, Found, PluginRecord, built_in, files, installed, module
from prefrl.errors import BrokenPlugin, DuplicateName, PluginError, choices, shown
from prefrl.options import Options
from prefrl.settings import Chosen
from prefrl.specs import (
    API_VERSION,
    AugmentationSpec,
    BonusSpec,
    ExecutorSpec,
    LabelFilterSpec,
    LearnerSpec,
    LossSpec,
    PretrainerSpec,
    ProcedureSpec,
    ReplaySamplerSpec,
    RewardModelSpec,
    RunView,
    SelectorSpec,
    SourceSpec,
    Spec,
)

SUPPORTED_API = range(1, API_VERSION + 1)

# kind (the plural of the hook) -> what its hook returns, and what a person calls one
KINDS: Mapping[str, tuple[type[Spec], str]] = MappingProxyType(
    {
        "sources": (SourceSpec, "preference source"),
        "selectors": (SelectorSpec, "selector"),
        "reward_models": (RewardModelSpec, "reward model"),
        "losses": (LossSpec, "loss"),
        "learners": (LearnerSpec, "learner"),
        "procedures": (ProcedureSpec, "procedure"),
        "executors": (ExecutorSpec, "executor"),
        "augmentations": (AugmentationSpec, "augmentation"),
        "label_filters": (LabelFilterSpec, "label filter"),
        "bonuses": (BonusSpec, "bonus"),
        "pretrainers": (PretrainerSpec, "pretrainer"),
        "replay_samplers": (ReplaySamplerSpec, "replay sampler"),
    }
)

# keys of the YAML sections in which a thing is chosen, which its options stand beside
_HOST_KEYS = {section.registry: {*section.model_fields} - {"options"} for section in Chosen.__subclasses__()}
_CHOICE_KEYS = {"name", "coef"}

_log = logging.getLogger("prefrl")


def conflicts(records: Iterable[PluginRecord]) -> list[PluginRecord]:
    """The same records, with those marked that offer what another offers under the same name."""
    records = list(records)
    owners: defaultdict[str, list[PluginRecord]] = defaultdict(list)
    for record in records:
        owners[f"plugin '{record.name}'"].append(record)
        for kind, names in record.offers.items():
            for name in names:
                owners[f"{KINDS[kind][1]} '{name}'"].append(record)
    clashes: defaultdict[int, list[str]] = defaultdict(list)
    for thing, rivals in owners.items():
        for record in rivals if len(rivals) > 1 else ():
            others = " and ".join(str(other) for other in rivals if other is not record)
            clashes[id(record)].append(f"{thing} is also offered by {others}")
    return [
        replace(record, status="conflict", error="; ".join(clashes[id(record)])) if id(record) in clashes else record
        for record in records
    ]


class _Refused(Exception):
    """A plugin breaks the contract; the message is the reason."""


class PluginHost:
    """Plugins, what they offer, and whom to tell what happened. `strict` raises where it would otherwise record."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._hooks = pluggy.PluginManager("prefrl")
        self._hooks.add_hookspecs(hookspecs)
        self._records: dict[str, PluginRecord] = {}
        self._offers: dict[str, dict[str, list[tuple[str, Spec]]]] = {kind: {} for kind in KINDS}
        self._retired: set[str] = set()
        self._blocked: tuple[str, ...] = ()  # installed, and kept out by PREFRL_LOAD_PLUGINS

    @classmethod
    def from_environment(
        cls, plugins_dir: Path | None = None, modules: Iterable[str] = (), environ: Mapping[str, str] = os.environ
    ) -> PluginHost:
        """Built-ins, installed plugins, plain files and `modules`; `PREFRL_STRICT=1` makes the host strict."""
        host = cls(strict=environ.get("PREFRL_STRICT", "") not in {"", "0"})
        host.admit(built_in())
        loaded = tuple(installed(environ))
        for found in loaded:
            host.admit(found)
        host._blocked = tuple({found.record.name for found in installed({})} - {found.record.name for found in loaded})
        for found in files(plugins_dir) if plugins_dir is not None else ():
            host.admit(found)
        host.load_modules(modules)
        return host

    # --- loading -----------------------------------------------------------------------------------------------------

    def admit(self, found: Found) -> PluginRecord:
        """Import one plugin, check its hooks and take its specs; on failure it is recorded and leaves nothing behind."""
        name = found.record.name
        if name in self._records:
            return self._refuse_name(found)
        self._records[name] = found.record
        try:
            plugin = found.load()
            if (known := self._hooks.get_name(plugin)) is not None:  # the same module through two doors
                del self._records[name]
                return self._records[known]
            offers = self._take(plugin, name)
        except (Exception, SystemExit) as error:
            if self.strict:
                raise
            self._unregister(name)
            reason = str(error) if isinstance(error, _Refused) else f"{type(error).__name__}: {error}"
            return self._note(name, status="broken", error=reason)
        for kind, offered in offers.items():
            for spec in offered:
                self._offers[kind].setdefault(spec.name, []).append((name, spec))
        self._note(name, status="active", offers={kind: tuple(s.name for s in many) for kind, many in offers.items()})
        for record in conflicts(self._records.values()):
            self._records[record.name] = record
        return self._records[name]

    def load_modules(self, names: Iterable[str]) -> None:
        """Admit modules a run asked for by name; a broken one stops it."""
        for name in names:
            record = self.admit(module(name))
            if record.status == "broken":
                raise BrokenPlugin(f"plugins: plugin module {name!r} failed to load: {record.error}")

    def _take(self, plugin: object, name: str) -> dict[str, list[Spec]]:
        _refuse_unmarked(plugin, set(self._hooks.hook.__dict__))
        try:
            self._hooks.register(plugin, name)
        except pluggy.PluginValidationError as error:
            raise _Refused(" ".join(str(error).split())) from error
        for hook in self._hooks.get_hookcallers(plugin) or ():
            impl = next(impl for impl in hook.get_hookimpls() if impl.plugin is plugin)
            if hook.spec is None and not impl.optionalhook:
                known = [known for known, caller in self._hooks.hook.__dict__.items() if getattr(caller, "spec", None)]
                raise _Refused(f"unknown hook '{hook.name}'. {choices(hook.name, known)}")
            if impl.wrapper or impl.hookwrapper:
                raise _Refused(f"'{hook.name}' is a hook wrapper, and wrappers are no part of the contract")
        return {kind: self._ask(kind, name) for kind in KINDS if self._implements(f"prefrl_register_{kind}", name)}

    def _ask(self, kind: str, plugin: str) -> list[Spec]:
        hook = f"prefrl_register_{kind}"
        impl = next(impl for impl in getattr(self._hooks.hook, hook).get_hookimpls() if impl.plugin_name == plugin)
        offered = list(impl.function())
        for spec in offered:
            _check(spec, kind, hook)
        names = [spec.name for spec in offered]
        if twice := {name for name in names if names.count(name) > 1}:
            raise _Refused(f"{hook} offers {', '.join(sorted(twice))} twice")
        return offered

    def _implements(self, hook: str, plugin: str) -> bool:
        return any(impl.plugin_name == plugin for impl in getattr(self._hooks.hook, hook).get_hookimpls())

    def _unregister(self, name: str) -> None:
        if self._hooks.has_plugin(name):
            self._hooks.unregister(name=name)

    def _note(self, name: str, **changes: Any) -> PluginRecord:
        self._records[name] = replace(self._records[name], **changes)
        return self._records[name]

    def _refuse_name(self, found: Found) -> PluginRecord:
        """Two plugins under one name: the second is recorded beside the first, under what it comes from."""
        first = self._records[found.record.name]
        if str(first) == str(found.record):
            return first
        reason = f"the plugin name '{first.name}' is taken by {first}"
        record = replace(found.record, name=f"{first.name} ({found.record})", status="broken", error=reason)
        self._records[record.name] = record
        if self.strict:
            raise DuplicateName(f"{found.record}: {reason}")
        return record

    # --- looking up --------------------------------------------------------------------------------------------------

    @property
    def records(self) -> tuple[PluginRecord, ...]:
        """One per plugin, in the order of loading."""
        return tuple(self._records.values())

    def specs(self, kind: str) -> Mapping[str, Spec]:
        """Every unambiguous name of `kind` and its spec, sorted."""
        return {name: offers[0][1] for name, offers in sorted(self._offers[kind].items()) if len(offers) == 1}

    def spec(self, kind: str, name: str) -> Spec:
        """The spec of that name; PluginError says what there is, what is near, what failed to load and what to do."""
        offers = self._offers[kind].get(name, [])
        noun = KINDS[kind][1]
        if len(offers) == 1:
            return offers[0][1]
        if offers:
            owners = [self._records[owner] for owner, _ in offers]
            raise DuplicateName(
                f"{noun} '{name}' is offered by {' and by '.join(map(str, owners))}. Uninstall one, or name the plugins "
                f"to load in {BLOCKING} (here: {', '.join(owner.name for owner in owners if owner.name != BUILT_IN)})."
            )
        broken = [record for record in self._records.values() if record.status == "broken"]
        failed = "".join(f" Plugin {record.name} ({record}) failed to load: {record.error}." for record in broken)
        failed += f" {BLOCKING} keeps out: {', '.join(sorted(self._blocked))}." if self._blocked else ""
        error = BrokenPlugin if any(name == record.name for record in broken) else PluginError
        allowed = choices(name, self.specs(kind))
        cure = "" if "Did you mean" in allowed else (
            " If a plugin offers it, install it, list its module under 'plugins:' or give its folder with --plugins-dir."
        )  # fmt: skip
        raise error(f"no {noun} named '{shown(name)}'. {allowed}{failed}{cure}")

    # --- calling -----------------------------------------------------------------------------------------------------

    def emit(self, event: str, run: RunView, value: object) -> None:
        """Tell every observer of `event` ("preferences", "reward_trained", ...); one that raises is not asked again."""
        hook = getattr(self._hooks.hook, f"prefrl_on_{event}")
        arguments = dict(zip(hook.spec.argnames, (run, value), strict=True))
        for impl in reversed(hook.get_hookimpls()):
            if impl.plugin_name not in self._retired:
                self._call(impl, hook.name, arguments)

    def answer(self, question: str, **arguments: object) -> Any | None:
        """The first answer that is not None to a firstresult hook ("render_segment"), or None."""
        hook = getattr(self._hooks.hook, f"prefrl_{question}")
        for impl in reversed(hook.get_hookimpls()):
            if (result := self._call(impl, hook.name, arguments)) is not None:
                return result
        return None

    def _call(self, impl: pluggy.HookImpl, hook: str, arguments: Mapping[str, object]) -> Any | None:
        name = impl.plugin_name
        try:
            return impl.function(*(arguments[argument] for argument in impl.argnames))
        except Exception as error:
            if self.strict:
                raise
            reason = f"{hook} raised {type(error).__name__}: {error}"
            if hook.startswith("prefrl_on_"):
                self._retired.add(name)
                self._note(name, status="retired", error=reason)
                _log.warning("plugin %s (%s) is not told of events any more: %s", name, self._records[name], reason)
            else:
                _log.warning("plugin %s (%s) gave no answer: %s", name, self._records[name], reason)
            return None


def _refuse_unmarked(plugin: object, hooks: set[str]) -> None:
    for attribute in sorted(hooks & set(vars(plugin) if hasattr(plugin, "__dict__") else ())):
        function = getattr(plugin, attribute)
        if callable(function) and not hasattr(function, "prefrl_impl") and not hasattr(function, "prefrl_spec"):
            raise _Refused(f"'{attribute}' is not marked; put @hookimpl (from prefrl.specs) above it")


def _check(spec: object, kind: str, hook: str) -> None:
    expected = KINDS[kind][0]
    if not isinstance(spec, expected):
        raise _Refused(f"{hook} returned {type(spec).__name__}, not {expected.__name__}")
    if not spec.name or not spec.name.replace("_", "a").isalnum() or not spec.name.isascii():
        raise _Refused(f"{hook} offers the name {spec.name!r}; names are letters, digits and underscores")
    if spec.api not in SUPPORTED_API:
        supported = " or ".join(map(str, SUPPORTED_API))
        other = "another version of the plugin" if spec.api < SUPPORTED_API[0] else "a newer prefrl"
        raise _Refused(
            f"'{spec.name}' was written for plugin API {spec.api}; this prefrl supports {supported}: install {other}"
        )
    if spec.api < SUPPORTED_API[-1]:  # one release of warning before it is refused
        _log.warning(
            "'%s' was written for plugin API %s, which the next prefrl may refuse; the current one is %s.",
            spec.name, spec.api, SUPPORTED_API[-1],
        )  # fmt: skip
    if not (isinstance(spec.options, type) and issubclass(spec.options, Options)):
        raise _Refused(f"the options of '{spec.name}' are not a subclass of prefrl.options.Options")
    if taken := sorted(_HOST_KEYS.get(kind, _CHOICE_KEYS) & set(spec.options.model_fields)):
        raise _Refused(f"options of '{spec.name}' are named as the host's own keys: {', '.join(taken)}")
