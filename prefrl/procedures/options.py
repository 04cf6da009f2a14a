"""Options of the built-in procedures."""

from __future__ import annotations

from pydantic import Field

from prefrl.options import Options


class OnlineOptions(Options):
    """The preference loop."""

    start: str | None = Field(
        None, description="run folder or saved SB3 policy that the policy begins as; null: random weights"
    )


class OfflineOptions(OnlineOptions):
    """Learning from the answers a data set holds, asking nobody."""

    clone: int = Field(
        0, ge=0, description="gradient steps of imitating every clip before a policy is fitted to answers (warm start)"
    )
