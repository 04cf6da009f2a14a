"""A comparison and its run's records in, the report's figures out: each an inline SVG with a caption in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from prefrl.report import alignment
from prefrl.report.comparison import Arm, Comparison
from prefrl.report.drawing import GROUND_TRUTH, INK, OTHERS, PAPER, PREFERENCES, RANDOM, SOFT, canvas, styled, svg
from prefrl.report.folder import Run
from prefrl.report.words import duration, number, share
from prefrl.statistics import spearman
from prefrl.types import Evaluation

Measure = Callable[[Evaluation], float]


@dataclass(frozen=True)
class Drawing:
    """One figure of the page."""

    name: str
    title: str
    caption: str
    svg: str


def draw(comparison: Comparison) -> list[Drawing]:
    """Every figure that the records allow, in the order of the page."""
    with styled():
        drawings = [
            _final_returns(comparison),
            _curves(comparison),
            _reward_model(comparison.focal),
            _agreement(comparison.focal),
            _alignment(comparison.focal),
            _time(comparison.focal),
        ]
    return [drawing for drawing in drawings if drawing is not None]


def colours(comparison: Comparison) -> dict[str, str]:
    """Arm label -> colour; the focal preference arm always has the same one."""
    further = iter(OTHERS * (1 + len(comparison.arms) // len(OTHERS)))
    chosen = {}
    for arm in comparison.arms:
        focal = comparison.focal in arm.runs or sum(a.role == "preferences" for a in comparison.arms) == 1
        chosen[arm.label] = GROUND_TRUTH if arm.role == "ground truth" else PREFERENCES if focal else next(further)
    return chosen


def _final_returns(comparison: Comparison) -> Drawing | None:
    """One dot per episode, one bar per seed's mean: spread inside a seed and between seeds at one look."""
    if not comparison.arms:
        return None
    palette = colours(comparison)
    lines = [
        (arm.label, f"seed {run.seed}", run.evaluations[-1], palette[arm.label])
        for arm in comparison.arms
        for run in arm.runs
    ]
    if comparison.focal.random is not None:
        lines.insert(0, ("random actions", "", comparison.focal.random, RANDOM))
    figure, (axes,) = canvas(height=0.9 + 0.42 * len(lines))
    for y, (_, _, evaluation, colour) in enumerate(reversed(lines)):
        returns = np.array(evaluation.true_return)
        jitter = (np.arange(len(returns)) * 0.618 % 1 - 0.5) * 0.4  # golden-ratio steps: even, and the same every time
        axes.scatter(returns, y + jitter, s=18, color=colour, alpha=0.45, linewidths=0)
        axes.plot([returns.mean()] * 2, [y - 0.32, y + 0.32], color=colour, linewidth=3)
    axes.set_yticks(range(len(lines)), [" · ".join(filter(None, line[:2])) for line in reversed(lines)], color=INK)
    axes.set_ylim(-0.6, len(lines) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("true return of an episode")
    _thousands(axes, "x")
    words = "; ".join(f"{' '.join(filter(None, line[:2]))}: mean {number(line[2].mean_return)}" for line in lines)
    return Drawing(
        "returns",
        "Return of the last policy",
        "Dots are deterministic episodes of the last evaluation, all policies on the same seeds; the bar is their mean.",
        svg(figure, "returns", f"True return of each evaluation episode. {words}."),
    )


def _curves(comparison: Comparison) -> Drawing | None:
    if not comparison.arms:
        return None
    figure, (true_steps, true_labels, learned_steps, learned_labels) = canvas(2, 2, height=6.2)
    panels: list[tuple[Axes, Measure, bool]] = [
        (true_steps, lambda e: e.mean_return, False),
        (true_labels, lambda e: e.mean_return, True),
        (learned_steps, lambda e: float(np.mean(e.learned_return)) if e.learned_return else nan, False),
        (learned_labels, lambda e: float(np.mean(e.learned_return)) if e.learned_return else nan, True),
    ]
    palette = colours(comparison)
    for axes, measure, by_labels in panels:
        for arm in comparison.arms:
            if arm.role == "preferences" or (not by_labels and axes is true_steps):
                _lines(axes, arm, measure, by_labels, palette[arm.label], comparison.focal)
        axes.set_xlabel("labels used" if by_labels else "environment steps")
        _thousands(axes, "y")
        if not by_labels:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / 1000:g}k" if x else "0"))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    for axes in (true_steps, true_labels):
        _yardsticks(axes, comparison)
    true_steps.set_title("True return, by steps")
    true_labels.set_title("True return, by labels")
    learned_steps.set_title("Learned return, by steps")
    learned_labels.set_title("Learned return, by labels")
    _no_data(learned_steps, learned_labels, true_labels)
    handles = {str(line.get_label()): line for axes in (true_labels, true_steps) for line in axes.get_lines()}
    order = [*(arm.label for arm in comparison.arms), *handles]
    shown = [label for label in dict.fromkeys(order) if label in handles and not label.startswith("_")]
    columns = min(len(shown), 4)
    figure.legend([handles[label] for label in shown], shown, loc="outside lower center", ncols=columns)
    last = comparison.focal.last
    words = f"At the end of this run the true return is {number(last.mean_return)}." if last else ""
    return Drawing(
        "curves",
        "Learning curves",
        "Each thin line is a seed, the thick one is the run of this report. Learned return is what the reward model gives "
        "the same evaluation episodes; its unit is its own. Dashed: ground truth and random actions at the end.",
        svg(figure, "curves", f"True and learned return against environment steps and against labels used. {words}"),
    )


def _lines(axes: Axes, arm: Arm, measure: Measure, by_labels: bool, colour: str, focal: Run) -> None:
    for i, run in enumerate(arm.runs):
        xs = [e.preferences if by_labels else e.step for e in run.evaluations]
        thick = run is focal or len(arm.runs) == 1
        axes.plot(
            xs,
            [measure(e) for e in run.evaluations],
            color=colour,
            linewidth=2.4 if thick else 1.2,
            alpha=1.0 if thick else 0.65,
            marker="o" if thick else "",
            markersize=4,
            label=arm.label if i == 0 else f"_{arm.label}{i}",
        )


def _yardsticks(axes: Axes, comparison: Comparison) -> None:
    for value, colour, label in (
        (comparison.ground_truth, GROUND_TRUTH, "ground truth, final"),
        (comparison.random, RANDOM, "random actions"),
    ):
        if isfinite(value):
            axes.axhline(value, color=colour, linestyle=(0, (4, 3)), linewidth=1.4, label=label)


def _reward_model(run: Run) -> Drawing | None:
    """Accuracy against answers (train, held out) and against truth (random pairs), and rank correlation over the run."""
    if not run.fits:
        return None
    figure, (accuracy, correlation) = canvas(1, 2, height=3.7)
    labels = [fit.preferences for fit in run.fits]
    asked = [e for e in run.evaluations if isfinite(e.accuracy)]
    series = (
        ("answers it was fitted to", labels, [fit.accuracy for fit in run.fits], SOFT, "-"),
        ("held-out answers", labels, [fit.val_accuracy for fit in run.fits], PREFERENCES, "-"),
        (
            "random pairs, against true return",
            [e.preferences for e in asked],
            [e.accuracy for e in asked],
            GROUND_TRUTH,
            "-",
        ),
    )
    for label, xs, ys, colour, line in series:
        if np.isfinite(ys).any():
            accuracy.plot(xs, ys, line, color=colour, marker="o", markersize=4, label=label)
    accuracy.axhline(0.5, color=RANDOM, linestyle=(0, (4, 3)), linewidth=1.4, label="guessing")
    accuracy.set_ylim(0.4, 1.03)
    accuracy.set_title("Accuracy of each fit")
    figure.legend(loc="outside lower center", ncols=4)
    ranked = [e for e in run.evaluations if isfinite(e.rank_correlation)]
    correlation.plot(
        [e.preferences for e in ranked],
        [e.rank_correlation for e in ranked],
        color=PREFERENCES,
        marker="o",
        markersize=4,
    )
    correlation.set_ylim(min([0.0, *(e.rank_correlation - 0.1 for e in ranked)]), 1.03)
    correlation.set_title("Rank correlation with the true return")
    _no_data(correlation)
    for axes in (accuracy, correlation):
        axes.set_xlabel("labels used")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    last = run.fits[-1]
    return Drawing(
        "reward-model",
        "Reward model",
        "Left: how often it orders a pair as the answer does. Right: Spearman's rank correlation of learned and true return of "
        "segments. The true return is used here for measuring only.",
        svg(
            figure,
            "reward-model",
            f"After {last.preferences} answers: training accuracy {share(last.accuracy)}, held-out {share(last.val_accuracy)}.",
        ),
    )


def _agreement(run: Run) -> Drawing | None:
    """Calibration of held-out answers, and learned against true return of segments."""
    if run.calibration is None and run.correlation is None:
        return None
    figure, (calibration, scatter) = canvas(1, 2, height=4.4)
    words = []
    bins = np.array((run.calibration or {}).get("bins", []), dtype=np.float64).reshape(-1, 3)
    bins = bins[bins[:, 2] > 0]
    calibration.plot([0, 1], [0, 1], color=SOFT, linewidth=1.2, linestyle=(0, (4, 3)))
    if len(bins):
        area = 30 + 270 * bins[:, 2] / bins[:, 2].max()
        calibration.scatter(
            bins[:, 0], bins[:, 1], s=area, color=PREFERENCES, alpha=0.8, edgecolors=PAPER, linewidths=1
        )
        words.append(f"Expected calibration error {share(_ece(run))} over {int(bins[:, 2].sum())} held-out answers.")
    calibration.set(
        xlim=(-0.04, 1.04), ylim=(-0.04, 1.04), xlabel="predicted P(first is better)", ylabel="observed share"
    )
    calibration.set_title("Calibration on held-out answers")
    if run.correlation is not None:
        true, learned = run.correlation["true"], run.correlation["learned"]
        scatter.scatter(true, learned, s=14, color=PREFERENCES, alpha=0.4, linewidths=0)
        words.append(f"Spearman's rank correlation of {len(true)} segments is {share(spearman(true, learned))}.")
    scatter.set(xlabel="true return of a segment", ylabel="learned return")
    _thousands(scatter, "x")
    scatter.set_title("Learned against true return")
    _no_data(calibration, scatter)
    return Drawing(
        "agreement",
        "Does it judge as the answers and the truth do?",
        "Left: the dot's area is the number of answers; on the dashed line, predictions are as sure as they are right. "
        f"Right: random segments at the end of the run. {' '.join(words)}",
        svg(figure, "agreement", " ".join(words) or "No data."),
    )


def _alignment(run: Run) -> Drawing | None:
    drawn = alignment.figure(run)
    return None if drawn is None else Drawing("alignment", "Does it still do what was meant?", drawn[1], drawn[0])


def _time(run: Run) -> Drawing | None:
    """Where the wall-clock went, largest first; what no phase claims is said."""
    phases = {name: seconds for name, seconds in run.timing.items() if name != "total"}
    total = run.timing.get("total", sum(phases.values()))
    if not phases or total <= 0:
        return None
    other = total - sum(phases.values())
    parts = sorted(
        {**phases, **({"everything else": other} if other > 0.005 * total else {})}.items(), key=lambda part: part[1]
    )
    figure, (axes,) = canvas(height=0.7 + 0.36 * len(parts))
    axes.barh(range(len(parts)), [seconds for _, seconds in parts], height=0.62, color=PREFERENCES)
    for y, (_, seconds) in enumerate(parts):
        axes.annotate(
            f"{duration(seconds)}  ({seconds / total:.0%})",
            (seconds, y),
            (6, 0),
            textcoords="offset points",
            va="center",
            color=INK,
        )
    axes.set_yticks(range(len(parts)), [name for name, _ in parts], color=INK)
    axes.set_xlim(0, parts[-1][1] * 1.2)
    axes.set_xlabel("seconds")
    axes.grid(axis="y", visible=False)
    words = ", ".join(f"{name} {duration(seconds)}" for name, seconds in reversed(parts))
    return Drawing(
        "time",
        "Where the time went",
        f"{duration(total)} of wall-clock in total.",
        svg(figure, "time", f"Wall-clock by phase: {words}."),
    )


def _ece(run: Run) -> float:
    return float((run.calibration or {}).get("ece", nan))


def _thousands(axes: Axes, axis: str) -> None:
    target = axes.xaxis if axis == "x" else axes.yaxis
    target.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}".replace("-", "\N{MINUS SIGN}")))
    if axis == "x":
        target.set_major_locator(MaxNLocator(nbins=7))


def _no_data(*panels: Axes) -> None:
    """Say that a panel is empty, so that nobody takes it for a zero; guide lines are dashed and count as nothing."""
    for axes in panels:
        drawn = [line.get_ydata() for line in axes.get_lines() if line.get_linestyle() == "-"]
        if not any(np.isfinite(np.asarray(ys, dtype=np.float64)).any() for ys in drawn) and not axes.collections:
            axes.text(0.5, 0.5, "nothing recorded", transform=axes.transAxes, ha="center", va="center", color=SOFT)
