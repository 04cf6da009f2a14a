"""What can be set of the executors."""

from __future__ import annotations

from pydantic import Field

from prefrl.options import Options


class LocalOptions(Options):
    """Processes of this machine."""

    jobs: int | None = Field(None, ge=1, description="calls at a time; null: one per processor")


class RayOptions(Options):
    """A Ray cluster: the one that RAY_ADDRESS names, or processes of this machine."""

    jobs: int | None = Field(None, ge=1, description="calls at a time; null: one per processor of the cluster")
    losses: int = Field(3, ge=0, description="how often a call is made again whose node or process was lost")
