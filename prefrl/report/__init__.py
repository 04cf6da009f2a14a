"""Run folders in, one self-contained page out: `report.html` with figures and clips inside, and `report.md`.

    folder.py       what a run wrote, as records           figures.py   records -> drawings (drawing.py: style, SVG)
    comparison.py   runs -> arms -> rows                   clips.py     recorded episodes -> embedded videos
    alignment.py    what the reward model likes and the task does not
    statistics.py   IQM, intervals, correlation            table.py     rows -> cells (words.py: numbers as words)
    page.py         all of it -> HTML and Markdown

Only run folders are read: a report can be written at any time, again, by anyone who has the files, also of a run that
failed or still runs. What is missing is said in words on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefrl.errors import RunError
from prefrl.report.alignment import findings
from prefrl.report.clips import embed
from prefrl.report.comparison import compare
from prefrl.report.figures import draw
from prefrl.report.page import render, verdict
from prefrl.report.table import headline, plain, seeds

__all__ = ["summary_lines", "write"]


def write(folder: Path, others: Sequence[Path] = (), videos: Path = Path("videos")) -> Path:
    """Write `folder`/report.html and report.md and return the former; clips are rendered under `videos`.

    `others` are runs to compare with (seeds, other arms); without them, the sibling folders with the same `arm_key`.
    `DataError` if a given folder is no run folder or a file in it is damaged, `RunError` if it cannot be written to.
    """
    comparison = compare(folder, others)
    rendered, without = embed(comparison.focal, videos)
    notes = [*comparison.warnings, *findings(comparison.focal), *comparison.focal.gaps, *without]
    html, markdown = render(comparison, draw(comparison), rendered, notes)
    page = folder / "report.html"
    try:
        page.write_text(html, encoding="utf-8")
        (folder / "report.md").write_text(markdown, encoding="utf-8")
    except OSError as error:
        raise RunError(f"{folder}: the report cannot be written ({error.strerror}).") from error
    return page


def summary_lines(folder: Path, others: Sequence[Path] = ()) -> list[str]:
    """The tables of the report for a terminal, with the verdict and what to know about it."""
    comparison = compare(folder, others)
    every = seeds(comparison)
    lines = [verdict(comparison), "", *plain(headline(comparison))]
    lines += ["", *plain(every)] if every is not None else []
    notes = [*comparison.warnings, *findings(comparison.focal), *comparison.focal.gaps]
    return [*lines, *(["", *(f"note: {note}" for note in notes)] if notes else [])]
