"""The base of every options model, ours and the plugins'."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = [
    "MAX_BITS", "NoOptions", "Options",
]  # fmt: skip

MAX_BITS = 256  # of a whole number in a configuration; Python refuses to print very long ones


class Options(BaseModel):
    """Frozen; unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


class NoOptions(Options):
    """For what has nothing to set."""
