"""Options of the sources in this package."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from prefrl.options import Options


class FileOptions(Options):
    """The `file` source."""

    path: Path = Field(description="JSON lines written by exporting a data set")
