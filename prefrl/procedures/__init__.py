"""The order of the stages; `train` is what the command line calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from prefrl.plugins import PluginHost
    from prefrl.settings import RunSettings


def train(settings: RunSettings, host: PluginHost, folder: Path | None, command: str, *, resume: bool = False) -> Path:
    """Run what `settings` say, or go on with what is in `folder`; torch and mujoco are imported here, not before.

    Returns the run folder.
    """
    from prefrl.procedures.run import Run

    return Run(settings, host, folder, command, resume=resume).execute()
