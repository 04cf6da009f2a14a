"""Options of the built-in procedures."""

from __future__ import annotations

from typing import Literal

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


class GameOptions(Options):
    """A mixture of saved policies for answers that no scores explain."""

    policies: tuple[str, ...] = Field((), description="run folders or own SB3 files, two at least")
    method: Literal["nash_mp", "nash_md", "online_ipo", "ipo_md", "inpo"] = "nash_mp"
    tau: float = Field(0.05, gt=0, description="pull towards equal weights: smaller comes nearer to the plain game")
    eta: float | None = Field(None, gt=0, description="of the method's own formula; null: one that converges")
    steps: int = Field(5_000, ge=1)
    episodes: int = Field(4, ge=1, description="of each policy")
    pairs: int = Field(20, ge=1, description="questions about every two policies")
