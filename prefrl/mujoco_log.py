"""MuJoCo's own warnings in, lines of our log out: never stderr, never a file in the working directory."""

from __future__ import annotations

import logging

_log = logging.getLogger("prefrl.mujoco")


def listen() -> None:
    """Hear MuJoCo's warnings from now on; that a model file is written in an old way is no news to who runs it."""
    import mujoco

    mujoco.set_mju_user_warning(_heard)


def _heard(message: str) -> None:
    _log.log(logging.DEBUG if "deprecated" in message else logging.WARNING, message)
