"""A summary in, the suite's plots out, each an SVG file of its own that follows a reader's light or dark page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import isfinite
from operator import attrgetter

import numpy as np
from matplotlib.axes import Axes

from prefrl.bench.rows import RANDOM, Row
from prefrl.bench.summary import Line, Summary
from prefrl.report.drawing import GROUND_TRUTH, INK, OTHERS, PREFERENCES, SOFT, canvas, standalone, styled
from prefrl.report.drawing import RANDOM as RANDOM_COLOUR
from prefrl.report.words import share
from prefrl.statistics import DRAWS, Floats, interquartile_mean, percentiles, performance_profile, resamples

STYLES = ("-", "--", ":", "-.")  # after each round of colours


@dataclass(frozen=True)
class Plot:
    """One file."""

    name: str
    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Look:
    """How a line is drawn, the same in every plot."""

    colour: str
    style: str


def draw(summary: Summary) -> list[Plot]:
    """Every plot that the results allow."""
    looks = _looks(summary)
    with styled():
        plots = [
            _intervals(summary, looks),
            _profiles(summary, looks),
            _curves(summary, looks),
            _labels(summary, looks),
        ]
    return [plot for plot in plots if plot is not None]


def _looks(summary: Summary) -> dict[Line, Look]:
    colours, styles = (PREFERENCES, *OTHERS), iter(STYLES)
    palette = cycle([Look(colour, style) for style in styles for colour in colours])
    looks = {}
    for line in summary.lines:
        measured_by = Look(RANDOM_COLOUR if line.method == RANDOM else GROUND_TRUTH, "-")
        looks[line] = next(palette) if line.rival else measured_by
    return looks


def _intervals(summary: Summary, looks: dict[Line, Look]) -> Plot | None:
    """Dots with whiskers: IQM over all environments, and every run beside it."""
    lines = [line for line in summary.lines if line.tasks and line.method != RANDOM]
    if not lines:
        return None
    figure, (axes,) = canvas(height=0.9 + 0.42 * len(lines))
    for y, line in enumerate(reversed(lines)):
        colour = looks[line].colour
        every = np.concatenate(line.tasks)
        jitter = (np.arange(len(every)) * 0.618 % 1 - 0.5) * 0.4
        axes.scatter(every, y + jitter, s=16, color=colour, alpha=0.4, linewidths=0)
        if all(map(isfinite, line.interval)):
            axes.plot(line.interval, [y, y], color=colour, linewidth=3)
        axes.plot([line.iqm] * 2, [y - 0.3, y + 0.3], color=colour, linewidth=3)
    axes.axvline(1, color=SOFT, linewidth=1, linestyle="--")
    axes.set_yticks(range(len(lines)), [line.label for line in reversed(lines)], color=INK)
    axes.set_ylim(-0.6, len(lines) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(summary.suite.plan.measure)
    words = "; ".join(f"{line.label}: {share(line.iqm)}" for line in lines)
    caption = "Upright bars: IQM over all runs; lines: its 95% interval; dots: every run."
    return Plot(
        "iqm",
        summary.suite.plan.measure.capitalize(),
        caption,
        standalone(figure, "iqm", f"IQM of each method. {words}"),
    )


def _profiles(summary: Summary, looks: dict[Line, Look]) -> Plot | None:
    """Share of runs above each threshold."""
    lines = [line for line in summary.rivals if sum(map(len, line.tasks)) > 1]
    if not lines:
        return None
    every = np.concatenate([np.concatenate(line.tasks) for line in lines])
    thresholds = np.linspace(min(0.0, float(every.min())), max(1.2, float(every.max())), 121)
    figure, (axes,) = canvas(height=3.6)
    for line in lines:
        look = looks[line]
        shares = performance_profile(np.concatenate(line.tasks), thresholds)
        axes.step(thresholds, shares, where="post", color=look.colour, linestyle=look.style, label=line.label)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(f"{summary.suite.plan.measure} τ")
    axes.set_ylabel("share of runs above τ")
    _legend(axes, len(lines))
    caption = f"The share of runs whose {summary.suite.plan.measure} is above each value; higher is better everywhere."
    return Plot("profiles", "Performance profiles", caption, standalone(figure, "profiles", caption))


def _curves(summary: Summary, looks: dict[Line, Look]) -> Plot | None:
    """Normalised return on the way, against environment steps."""
    environments = [name for name, scale in summary.scales.items() if isfinite(scale.normalised(scale.random))]
    lines = [line for line in summary.lines if line.method != RANDOM and line.done]
    if not environments or not lines:
        return None
    columns = min(3, len(environments))
    rows = -(-len(environments) // columns)
    figure, panels = canvas(rows, columns, height=0.5 + 2.7 * rows)
    for axes, environment in zip(panels, environments, strict=False):
        axes.set_title(environment)
        axes.axhline(1, color=SOFT, linewidth=1, linestyle="--")
        for line in lines:
            _curve(axes, [row for row in line.rows.get(environment, ()) if row.curve], summary, looks[line], line.label)
        axes.set_xlabel("environment steps")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:,.0f}k" if value else "0")
    for axes in panels[len(environments) :]:
        axes.set_visible(False)
    panels[0].set_ylabel("normalised return")
    _legend(panels[0], len(lines))
    caption = "Normalised return of the policy against environment steps: the IQM over seeds, and its 95% interval."
    return Plot("curves", "Sample efficiency", caption, standalone(figure, "curves", caption))


def _curve(axes: Axes, rows: Sequence[Row], summary: Summary, look: Look, label: str) -> None:
    if not rows:
        return
    steps = sorted(set.intersection(*({point.step for point in row.curve} for row in rows)))
    scale = summary.scales[rows[0].place.environment]
    at = [{point.step: scale.normalised(point.true_return) for point in row.curve} for row in rows]
    values = np.array([[one[step] for one in at] for step in steps])
    axes.plot(steps, interquartile_mean(values), color=look.colour, linestyle=look.style, label=label)
    if len(rows) > 1:
        low, high = _bands(values)
        axes.fill_between(steps, low, high, color=look.colour, alpha=0.15, linewidth=0)


def _bands(values: Floats) -> tuple[list[float], list[float]]:
    """95% intervals of the IQM of each row of (steps, seeds); one resampling of seeds for all steps."""
    (index,) = resamples([values.shape[1]], DRAWS // 10)
    drawn = interquartile_mean(values[:, index])
    bounds = [percentiles(one) for one in drawn]
    return [low for low, _ in bounds], [high for _, high in bounds]


def _labels(summary: Summary, looks: dict[Line, Look]) -> Plot | None:
    """Final return against answers used, one point per budget."""
    found = list(_budgets(summary))
    if not any(len(points) > 1 for _, points in found):
        return None
    figure, (axes,) = canvas(height=3.6)
    for name, points in found:
        look = looks[points[0]]
        used = [line.labels for line in points]
        axes.plot(used, [line.iqm for line in points], color=look.colour, marker="o", markersize=5, label=name)
        low, high = zip(*(line.interval for line in points), strict=True)
        if all(map(isfinite, (*low, *high))):
            axes.fill_between(used, low, high, color=look.colour, alpha=0.15, linewidth=0)
    axes.axhline(1, color=SOFT, linewidth=1, linestyle="--")
    axes.set_xscale("log")
    ticks = sorted({line.labels for _, points in found for line in points})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("answers")
    axes.set_ylabel(summary.suite.plan.measure)
    _legend(axes, len(found))
    caption = f"IQM of the final {summary.suite.plan.measure} against the number of answers, with its 95% interval."
    return Plot("labels", "Label efficiency", caption, standalone(figure, "labels", caption))


def _budgets(summary: Summary) -> Iterator[tuple[str, list[Line]]]:
    """Each method, teacher and kind of question, with its budgets by the number of answers."""
    asked = [line for line in summary.rivals if line.tasks and line.labels]
    kinds = {line.items for line in asked}
    for method, teacher, items in dict.fromkeys((line.method, line.teacher, line.items) for line in asked):
        own = [o for o in asked if (o.method, o.teacher, o.items) == (method, teacher, items)]
        kind = ("pairs" if items == 2 else f"rankings of {items}") if len(kinds) > 1 else ""
        yield ", ".join(filter(None, (method, teacher, kind))), sorted(own, key=attrgetter("labels"))


def _legend(axes: Axes, entries: int) -> None:
    if entries > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
