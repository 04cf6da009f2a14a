"""Settings and plugins come in; a run of a second or two on a tiny MuJoCo task, or parts of one, go out."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefrl import config
from prefrl.doors import Found, PluginRecord, built_in, module
from prefrl.errors import PluginError
from prefrl.plugins import PluginHost
from prefrl.settings import RunSettings
from prefrl.specs import Learner, Spec, hookimpl
from prefrl.testing.examples import TASK

TINY = {
    "env": {"id": TASK, "n_envs": 1},
    "algo": {"name": "ppo", "n_timesteps": 512, "n_steps": 64, "batch_size": 32, "n_epochs": 2},
    "pretrain": {"name": "random", "steps": 128},
    "feedback": {"total": 12, "rounds": 2, "segment": 4},
    "sources": {"example_teacher": {}},
    "reward": {"members": 2, "hidden": [16], "fit": {"epochs": 2, "validation": 0.2}},
    "evaluate": {"every": 256, "episodes": 1, "final_episodes": 1},
    "checkpoint": {"every": 100_000},
    "run": {"name": "tiny", "seed": 0, "device": "cpu"},
}


def offering(kind: str, spec: Spec) -> Found:
    """A plugin that offers one spec."""
    hooks = {f"prefrl_register_{kind}": hookimpl(lambda: [spec])}
    return Found(PluginRecord(f"offers {spec.name}", "this check"), lambda: types.SimpleNamespace(**hooks))


def host_of(found: Iterable[Found] = ()) -> PluginHost:
    """What is built in, the teacher of the examples and `found`; a plugin that cannot be used raises `PluginError`."""
    host = PluginHost()
    for one in (built_in(), module("prefrl.testing.teacher"), *found):
        record = host.admit(one)
        if record.status != "active":
            raise PluginError(f"plugin {record.name} ({record}): {record.error}")
    return host


def host_with(kind: str, spec: Spec) -> PluginHost:
    """A host that knows one more thing, unless it is built in."""
    return host_of() if spec.name in host_of().specs(kind) else host_of([offering(kind, spec)])


def settings_of(host: PluginHost, folder: Path, *sets: str, changes: Mapping[str, Any] | None = None) -> RunSettings:
    """The tiny run's settings with sections replaced by `changes` and ``KEY=VALUE`` on top."""
    path = folder / "tiny.yaml"
    path.write_text(json.dumps({**TINY, **(changes or {})}), encoding="utf-8")  # JSON is YAML
    return config.resolve(config.read(path, sets), host)


def run(
    folder: Path, *sets: str, plugins: Sequence[Found] = (), host: PluginHost | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Any:  # fmt: skip
    """A finished run under `folder`: the `RunContext` it was, with its run folder as `.folder`."""
    from prefrl.procedures.run import Run

    host = host or host_of(plugins)
    folder.mkdir(parents=True, exist_ok=True)
    started = Run(settings_of(host, folder, *sets, changes=changes), host, folder / "run", "prefrl train tiny.yaml")
    started.execute()
    return started


@contextmanager
def learner_of(
    host: PluginHost, folder: Path, algo: Mapping[str, Any], steps: int = 4096
) -> Iterator[tuple[Learner, Any]]:
    """A fresh learner and the recording VecEnv it acts in; its learned reward is the task's own."""
    from prefrl.procedures.assembly import Assembly
    from prefrl.rollout.vectorised import information, record
    from prefrl.timing import Clock

    changes = {"algo": {**algo, "n_timesteps": steps}, "reward": {"model": "true_reward"}, "sources": {}}
    settings = settings_of(host, folder, changes=changes)
    env = information(settings.env)
    parts = Assembly(settings, host, env, "example", folder, Clock())
    venv = record(settings.env, env, seed=0, name="example", keep=None)
    relabel = parts.relabeller(parts.reward_model(), venv)
    learner = parts.learner(venv, relabel, seed=0, steps=steps, folder=folder, tick=lambda taken: None)
    try:
        yield learner, venv
    finally:
        learner.close()
        venv.close()
