"""Options of the built-in selectors."""

from __future__ import annotations

from pydantic import Field

from prefrl.options import Options


class SimilarityOptions(Options):
    """Familiar questions against new ones."""

    near: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of questions drawn near to what was asked before; the others are drawn far from it",
    )
