"""Fixtures for the tests of plugins, offered to every pytest where prefrl is installed; all is imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from prefrl.doors import Found
    from prefrl.plugins import PluginHost
    from prefrl.types import Segment


@pytest.fixture
def prefrl_host() -> PluginHost:
    """A plugin host that knows nothing yet and raises where it would otherwise record."""
    from prefrl.plugins import PluginHost

    return PluginHost(strict=True)


@pytest.fixture
def prefrl_segments() -> list[Segment]:
    """Eight clips of twelve steps of a tiny MuJoCo task, the same ones each time, every channel filled."""
    from prefrl.testing.examples import segments

    return segments()


@pytest.fixture
def prefrl_run(tmp_path: Path) -> Callable[..., Any]:
    """``prefrl_run("run.seed=3", changes={"sources": {"mine": {}}})``: a finished run of seconds, with installed plugins.

    It learns InvertedPendulum-v5 by PPO from twelve answers; `changes` replace sections of its settings. What comes back is
    the run: `.folder`, `.reward`, `.env`, `.step`.
    """

    def run(*sets: str, changes: Mapping[str, Any] | None = None, plugins: tuple[Found, ...] = ()) -> Any:
        from prefrl.doors import installed
        from prefrl.testing import runs

        return runs.run(tmp_path / "prefrl", *sets, plugins=(*installed(), *plugins), changes=changes)

    return run
