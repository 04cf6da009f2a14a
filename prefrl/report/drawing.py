"""Matplotlib figures in, inline SVG out whose colours are the page's own, so that they follow light and dark.

Every colour of a figure is one of the marks below; `svg` replaces it with a CSS variable of the page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, SOFT, LINE, PAPER = "#010101", "#010102", "#010103", "#010104"
PREFERENCES, GROUND_TRUTH, RANDOM = "#010105", "#010106", "#010107"
OTHERS = ("#010108", "#010109", "#01010a", "#01010b")  # further preference arms, then round again
VARIABLES = {
    INK: "ink", SOFT: "soft", LINE: "line", PAPER: "paper",
    PREFERENCES: "preferences", GROUND_TRUTH: "truth", RANDOM: "random",
    **{mark: f"other{i}" for i, mark in enumerate(OTHERS, start=1)},
}  # fmt: skip

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # real text: selectable, searchable, in the page's own typeface
    "font.family": "sans-serif", "font.size": 10.5,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "text.color": INK, "axes.labelcolor": SOFT, "xtick.color": SOFT, "ytick.color": SOFT,
    "axes.edgecolor": LINE, "grid.color": LINE, "axes.grid": True, "grid.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 11, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.titlepad": 10, "axes.axisbelow": True, "axes.unicode_minus": True,
    "xtick.major.size": 0, "ytick.major.size": 0, "legend.frameon": False, "legend.fontsize": 10,
    "lines.linewidth": 2.0, "lines.solid_capstyle": "round",
}  # fmt: skip


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the page's style, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def canvas(rows: int = 1, columns: int = 1, *, width: float = 9.6, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    """A figure and its axes in reading order; `width` 9.6 fills the page, which shows an inch as 72 points."""
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, list(grid.ravel())


def svg(figure: Figure, name: str, description: str) -> str:
    """The figure as one SVG element named `name`, with `description` for those who cannot see it."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):  # the same run gives the same bytes
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # ids are unique per figure only: the page holds many
    text = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", text)
    for mark, variable in VARIABLES.items():
        text = text.replace(mark, f"var(--{variable})")
    text = re.sub(r"'[^']*', sans-serif|\bsans-serif\b|'DejaVu Sans'", "var(--sans)", text)
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
