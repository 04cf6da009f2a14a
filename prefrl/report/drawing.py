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


LIGHT = {
    "paper": "#ffffff", "ink": "#16191d", "soft": "#525a64", "line": "#dde1e6", "preferences": "#0b62c4", "truth": "#15803d",
    "random": "#7a6f66", "other1": "#a53ba8", "other2": "#b45309", "other3": "#0e7490", "other4": "#be123c",
}  # fmt: skip
DARK = {
    "paper": "#101317", "ink": "#eceff3", "soft": "#a9b3be", "line": "#313943", "preferences": "#6cb2ff", "truth": "#5fd08a",
    "random": "#b9ada3", "other1": "#e29be6", "other2": "#f2ae5c", "other3": "#5ccfe0", "other4": "#ff8fa3",
}  # fmt: skip
SANS = 'system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans", sans-serif'


def standalone(figure: Figure, name: str, description: str) -> str:
    """The same as a file of its own, with the page's colours inside, light or dark as its reader has it."""
    light, dark = (";".join(f"--{key}:{value}" for key, value in colours.items()) for colours in (LIGHT, DARK))
    style = (
        f"<style>svg{{{light};--sans:{SANS};background:var(--paper)}}"
        f"@media (prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    )
    text = svg(figure, name, description)
    end = text.index(">") + 1
    opening = (
        text[:end]
        if "xmlns=" in text[:end]
        else text[:end].replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    )
    return f"{opening}{style}{text[end:]}\n"
