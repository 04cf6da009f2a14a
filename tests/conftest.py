"""For all tests: one thread, no network, what a machine lacks printed once, and where the time went."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import shutil
import socket
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

for _variable in (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
):  # read when torch and numpy are imported
    os.environ[_variable] = "1"

collect_ignore = [] if any("soak" in argument for argument in sys.argv) else ["soak"]  # what takes long: make soak
LIMIT = float(os.environ.get("PREFRL_TEST_LIMIT", "60"))  # seconds of one test, its fixtures included
CURES = {
    "postgres": "apt install postgresql",
    "gl": "apt install libegl1 libgl1-mesa-dri, or libosmesa6",
    "sandbox": "apt install bubblewrap libseccomp2, and allow user namespaces",
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"needs(what): skipped where the machine lacks it ({', '.join(CURES)}); fails if CI is set"
    )
    _forbid_network()


# --- no network ------------------------------------------------------------------------------------------------------


def _forbid_network() -> None:
    """A forgotten fake must fail loudly instead of calling a server; loopback and Unix sockets stay."""
    connect, connect_ex, resolve = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded(plain: Any) -> Any:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family in {socket.AF_INET, socket.AF_INET6}:
                _refuse_stranger(address[0])
            return plain(self, address)

        return call

    def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        _refuse_stranger(host)
        return resolve(host, *rest, **named)

    socket.socket.connect = guarded(connect)  # type: ignore[method-assign]
    socket.socket.connect_ex = guarded(connect_ex)  # type: ignore[method-assign]
    socket.getaddrinfo = getaddrinfo


def _refuse_stranger(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost", "0.0.0.0", "::"}:
        return
    try:
        local = ipaddress.ip_address(name).is_loopback
    except ValueError:
        local = False
    if not local:
        raise RuntimeError(f"a test tried to reach {name}; tests have no network")


# --- what the machine lacks ------------------------------------------------------------------------------------------


@cache
def _has(what: str) -> bool:
    if what == "gl":
        from prefrl.errors import EnvironmentMissing
        from prefrl.rendering import gl_backend

        try:
            return bool(gl_backend())
        except EnvironmentMissing:
            return False
    if what == "sandbox":
        from prefrl.sandbox import obstacle

        return not obstacle("strict")
    if what == "postgres":
        return any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or shutil.which("initdb") is not None
    raise ValueError(f"pytest.mark.needs: {what!r} is none of {', '.join(CURES)}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("needs"):
            (what,) = marker.args
            if _has(what):
                continue
            reason = f"needs {what}: {CURES[what]}"
            if os.environ.get("CI"):
                item.runtest = lambda reason=reason: pytest.fail(f"CI is set, and this {reason}", pytrace=False)  # type: ignore[method-assign]
            else:
                item.add_marker(pytest.mark.skip(reason=reason))


# --- programs beside the tests ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def program() -> Callable[[str], ModuleType]:
    """``program("soak/fuzz_configs.py")``: a file under tests/ that is also run by hand, as a module."""

    def load(path: str) -> ModuleType:
        file = Path(__file__).parent / path
        spec = importlib.util.spec_from_file_location(f"program_{file.stem}", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their annotations up there
        spec.loader.exec_module(module)
        return module

    return load


# --- a whole run in seconds ------------------------------------------------------------------------------------------


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Any]:
    """``train("name", *sets, plugins=(module, ...))`` runs data/tiny_cheetah.yaml with those settings and returns the run."""
    from prefrl import config
    from prefrl.doors import Found, PluginRecord
    from prefrl.plugins import PluginHost
    from prefrl.procedures.run import Run

    def run(name: str, *sets: str, plugins: Sequence[Any] = (), execute: bool = True) -> Any:
        tree = config.read(Path(__file__).parent / "data" / "tiny_cheetah.yaml", sets)
        host = PluginHost.from_environment(None, config.plugins_of(tree))
        for plugin in plugins:
            host.admit(Found(PluginRecord(plugin.__name__, "this test"), lambda plugin=plugin: plugin))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        started = Run(config.resolve(tree, host), host, tmp_path / name / "run", f"prefrl train {name}")
        if execute:
            started.execute()
        return started

    return run


# --- where the time went ---------------------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: Any) -> None:
    seconds: defaultdict[str, float] = defaultdict(float)
    files: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "duration") and hasattr(report, "nodeid"):
                seconds[report.nodeid] += report.duration
                files[report.nodeid.split("::")[0]] += report.duration
    terminalreporter.section("time")
    for file, spent in sorted(files.items(), key=lambda pair: -pair[1])[:10]:
        terminalreporter.write_line(f"{spent:7.1f} s  {file}")
    terminalreporter.write_line(f"{sum(files.values()):7.1f} s  in all {len(seconds)} tests, on all workers together")
    missing = {
        report.longrepr[2] for report in terminalreporter.stats.get("skipped", []) if "needs " in str(report.longrepr)
    }
    for reason in sorted(missing):
        terminalreporter.write_line(f"not run: {reason.removeprefix('Skipped: ')}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    spent = item.stash.get(_SPENT, 0.0) + report.duration
    item.stash[_SPENT] = spent
    if spent > LIMIT and report.outcome == "passed" and "soak" not in item.path.parts:
        report.outcome = "failed"
        report.longrepr = (
            f"took {spent:.0f} s; no test may take more than {LIMIT:.0f} s (its long form belongs to make soak)"
        )
    return report


_SPENT = pytest.StashKey[float]()
