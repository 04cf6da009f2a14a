"""A run's records in; whether its policy came to please the reward model instead of the task, drawn and in words, out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np
from matplotlib.axes import Axes

from prefrl.report.drawing import GROUND_TRUTH, PREFERENCES, SOFT, canvas, svg
from prefrl.report.folder import Run
from prefrl.report.words import count, number, percent
from prefrl.types import Evaluation

ROUNDS = {"drift": "Drift of the model", "novelty": "Out of distribution"}  # metrics of a fit
SURE = 2.0  # standard errors from which on a change counts


@dataclass(frozen=True, slots=True)
class Change:
    """From one evaluation to a later one, in standard errors of the difference of means."""

    learned: float
    true: float

    @property
    def over_optimised(self) -> bool:
        """The reward model likes it at least as well as before, and the task does not."""
        return self.learned > -SURE and self.true < -SURE

    @property
    def hacked(self) -> bool:
        """The reward model likes it better, and the task less."""
        return self.learned > SURE and self.true < -SURE


def change(first: Evaluation, second: Evaluation) -> Change:
    """Welch's t of learned and of true return."""
    return Change(_t(first.learned_return, second.learned_return), _t(first.true_return, second.true_return))


def _t(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    if len(first) < 2 or len(second) < 2:
        return 0.0
    error = sqrt(np.var(first, ddof=1) / len(first) + np.var(second, ddof=1) / len(second))
    difference = float(np.mean(second) - np.mean(first))
    return difference / error if error > 0 else float(np.sign(difference)) * np.inf if difference else 0.0


def knee(run: Run) -> Evaluation | None:
    """The evaluation with the highest true return, if from there to the end learning pleased the reward model alone."""
    judged = learned(run)
    if len(judged) < 2:
        return None
    best = max(judged, key=lambda evaluation: evaluation.mean_return)
    return best if best is not judged[-1] and change(best, judged[-1]).over_optimised else None


def learned(run: Run) -> list[Evaluation]:
    """Evaluations since there is a reward model."""
    return [e for e in run.evaluations if e.learned_return and e.preferences and np.isfinite(e.learned_return).all()]


def findings(run: Run) -> Iterator[str]:
    """Sentences about over-optimisation, hacked stretches, misjudged clips and behaviour that nobody judged."""
    judged = learned(run)
    if run.ground_truth or len(judged) < 2:
        return
    top = knee(run)
    if top is not None:
        yield (
            f"Over-optimised from step {count(top.step)} on: there the true return was {number(top.mean_return)}, at the end "
            f"{number(judged[-1].mean_return)}, while the learned return did not fall."
        )
    for first, second in pairwise(judged):
        if change(first, second).hacked:
            yield (
                f"A hack, perhaps: from step {count(first.step)} to {count(second.step)} the learned return rose and the true "
                f"return fell from {number(first.mean_return)} to {number(second.mean_return)}."
            )
    misjudged = _misjudged(run)
    if misjudged > 0.1:
        yield (
            f"Of the tenth of clips that the reward model likes best, {percent(misjudged)} are in the lower half by true "
            f"return; none would be if it judged as the task does."
        )
    far = [fit.metrics["novelty"] for fit in run.fits if "novelty" in fit.metrics]
    if far and far[-1] > 2:
        yield f"In the end behaviour was {far[-1]:.1f} times as far from judged clips as these are from one another."


def _misjudged(run: Run) -> float:
    """Share of the clips of highest learned return that have less than the median true return."""
    if run.correlation is None or len(run.correlation["true"]) < 20:
        return 0.0
    given, true = run.correlation["learned"], run.correlation["true"]
    favourites = np.argsort(-given)[: len(given) // 10]
    return float(np.mean(true[favourites] < np.median(true)))


def figure(run: Run) -> tuple[str, str] | None:
    """(SVG, caption): learned against true return on the way, and drift and novelty of each fit."""
    judged = learned(run)
    told = [name for name in ROUNDS if any(name in fit.metrics for fit in run.fits)]
    if run.ground_truth or not (len(judged) > 1 or told):
        return None
    drawn, panels = canvas(1, 1 + len(told), height=3.4)
    _path(panels[0], judged, knee(run))
    for axes, name in zip(panels[1:], told, strict=True):
        rounds = [fit for fit in run.fits if name in fit.metrics]
        values = [fit.metrics[name] for fit in rounds]
        axes.plot([fit.step for fit in rounds], values, color=PREFERENCES, marker="o", markersize=4)
        axes.set_title(ROUNDS[name])
        axes.set_xlabel("environment steps")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value else "0")
    said = " ".join(findings(run)) or "Nothing to flag."
    caption = (
        "Proxy and truth: each point is an evaluation; where the line turns down to the right, the policy pleases the reward "
        "model and no longer the task (ringed: the knee). Drift: how much a fit changed the reward of new steps (1 - r). "
        f"Out of distribution: how far the newest steps are from judged clips, 1 as far as these from one another. {said}"
    )
    return svg(drawn, "alignment", f"Learned against true return, drift and novelty. {said}"), caption


def _path(axes: Axes, judged: list[Evaluation], top: Evaluation | None) -> None:
    """Evaluations in order, learned return across, true return up."""
    true = [float(np.mean(evaluation.true_return)) for evaluation in judged]
    given = [float(np.mean(evaluation.learned_return)) for evaluation in judged]
    axes.plot(given, true, color=PREFERENCES, marker="o", markersize=4)
    if judged:
        axes.annotate("end", (given[-1], true[-1]), (5, 5), textcoords="offset points", color=SOFT)
    if top is not None:
        at = judged.index(top)
        axes.plot(given[at], true[at], marker="o", markersize=11, fillstyle="none", color=GROUND_TRUTH)
    axes.set(xlabel="learned return", ylabel="true return")
    axes.set_title("Proxy and truth")
