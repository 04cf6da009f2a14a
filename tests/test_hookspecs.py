from __future__ import annotations

import inspect
import typing

import pluggy

from prefrl import hookspecs
from prefrl.plugins import KINDS
from prefrl.specs import Spec

HOOKS = {name: function for name, function in vars(hookspecs).items() if name.startswith("prefrl_")}


def test_every_hook_can_be_implemented_with_the_shipped_marker() -> None:
    manager = pluggy.PluginManager("prefrl")
    manager.add_hookspecs(hookspecs)
    assert {name for name in vars(manager.hook) if name.startswith("prefrl_")} == set(HOOKS)


def test_a_registering_hook_returns_the_specs_of_its_kind() -> None:
    for kind, (spec, noun) in KINDS.items():
        returned = typing.get_type_hints(HOOKS[f"prefrl_register_{kind}"])["return"]
        assert typing.get_args(returned) == (spec,)
        assert issubclass(spec, Spec)
        assert noun
        assert list(HOOKS[f"prefrl_register_{kind}"]()) == []


def test_the_events_are_those_of_the_design() -> None:
    events = {
        name: list(inspect.signature(function).parameters)
        for name, function in HOOKS.items()
        if name.startswith("prefrl_on_")
    }
    assert events == {
        "prefrl_on_preferences": ["run", "preferences"],
        "prefrl_on_reward_trained": ["run", "fit"],
        "prefrl_on_policy_evaluated": ["run", "evaluation"],
        "prefrl_on_run_ended": ["run", "summary"],
    }
