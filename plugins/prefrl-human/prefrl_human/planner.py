"""A person's answers so far and what their clips look like in, how many more are needed and of which kind out.

The person is taken to weigh features of clips linearly and to err in a share e of random pairs: near ties, as Bradley and
Terry have it, or by inattention anywhere. What the answers say of weights and errors makes a sample of people who could
have given them. Learning is then played out for those people, from few answers to many, on the clips at hand: a learner
fits weights to n simulated answers and is measured on pairs it did not see, against what the person means (the slips of
held-out answers aside, as a run's evaluation measures against the true return). Where the mean of those curves crosses
the wanted accuracy is the prediction. All of it is NumPy over many simulated people at once.

Thirty answers say little of how often somebody errs: without repeats they leave 0.1 +- 0.055. So the prior counts: people
who look err in about a tenth of pairs, and who does not look is for the exclusion rules to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEAST = 30  # answers before anything is predicted
ERRORS = np.linspace(0.01, 0.35, 18)  # shares of random pairs in which a person errs
PRIOR = ERRORS**7 * (1 - ERRORS) ** 71  # Beta(8, 72): 0.10 +- 0.03
SLIPS = 0.7  # before any answer: that errors are made by inattention alone, and not near ties alone
PARTICLES = 6000  # weights tried
PEOPLE = 96  # simulated for a curve
MOST_PAIRS = 400  # pairs in the longest simulated session; of rankings of k, a (k-1)th of that
POINTS = 12  # at which a simulated learner is measured
HELD_OUT = 4000  # pairs on which it is
STEPS = 6  # of Newton's method per fit
STEEP = 400.0  # slope of who errs by inattention alone
RIDGE = 1.0  # of the simulated learner: the prior of weights of one standard deviation


@dataclass(frozen=True, slots=True)
class Curve:
    """Held-out accuracy after n answers of one kind."""

    n: NDArray[np.int64]  # (G,)
    accuracy: Floats  # (G,) mean over simulated people

    def needed(self, target: float) -> float:
        """Answers after which `target` is reached, between the measured ones on the scale of log n; inf if never."""
        rising = np.maximum.accumulate(self.accuracy)
        if rising[-1] < target:
            return inf
        return float(np.exp(np.interp(target, rising, np.log(self.n))))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to expect of further answers."""

    answers: int  # given so far
    target: float
    pairs: Curve
    rankings: Curve
    k: int  # clips per ranking
    seconds: tuple[float, float]  # of one pair and of one ranking

    @property
    def needed(self) -> tuple[float, float]:
        """Pairs or rankings in all, those given included; inf where the target is out of reach."""
        return self.pairs.needed(self.target), self.rankings.needed(self.target)

    @property
    def recommended(self) -> str:
        """The kind that takes this person less time; pairs where neither gets there."""
        pairs, rankings = (n * s for n, s in zip(self.needed, self.seconds, strict=True))
        return "rankings" if rankings < pairs else "pairs"

    @property
    def sentence(self) -> str:
        """For a panel or a report."""
        pairs, rankings = self.needed
        if not isfinite(min(pairs, rankings)):
            best = max(self.pairs.accuracy[-1], self.rankings.accuracy[-1])
            return (
                f"A held-out accuracy of {self.target:.0%} is out of reach with answers as consistent as the {self.answers}"
                f" so far; {self.pairs.n[-1]} pairs would give about {best:.0%}."
            )
        said = [f"{n:.0f} {name} ({n * s / 60:.0f} min)" if isfinite(n) else f"no number of {name}" for n, name, s in (
            (pairs, "pairs", self.seconds[0]), (rankings, f"rankings of {self.k}", self.seconds[1]))]  # fmt: skip
        return (
            f"About {said[0]} or {said[1]} in all give a held-out accuracy of {self.target:.0%};"
            f" {self.recommended} take this person less time."
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """People who could have given the answers: weights (P, d) of length one, slope and lapse of each."""

    weights: Floats
    slope: Floats
    lapse: Floats


def plan(
    features: Floats, orders: Sequence[Sequence[int]], rng: np.random.Generator, *,
    seconds: tuple[float, float], target: float = 0.85, k: int = 4,
) -> Plan | None:  # fmt: skip
    """From `orders`, each a pair or ranking as rows of `features` (N, d), best first; None below 30 of them.

    `features` have zero mean and unit variance and are uncorrelated. `seconds` are those of a pair and of a ranking of
    `k`.
    """
    if len(orders) < LEAST:
        return None
    pairs = np.array([pair for order in orders for pair in combinations(order, 2)])
    people = infer(features[pairs[:, 0]] - features[pairs[:, 1]], rng)
    curves = [learn(features, people, rng, size) for size in (2, k)]
    return Plan(len(orders), target, curves[0], curves[1], k, seconds)


def infer(better: Floats, rng: np.random.Generator) -> Sample:
    """People sampled as the answers make them probable. `better` (n, d): features of the better clip minus the other's."""
    weights = rng.normal(size=(PARTICLES, better.shape[1]))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    margins = weights @ better.T / np.sqrt(2)  # (P, n), of unit variance over pairs
    slopes, lapses = noise_shapes()
    logs = np.stack([np.log(_right(margins, s, e) + 1e-9).sum(1) for s, e in zip(slopes, lapses, strict=True)])
    chance = np.exp(logs - logs.max()) * np.concatenate([(1 - SLIPS) * PRIOR, SLIPS * PRIOR])[:, None]
    chance /= chance.sum()
    drawn = rng.choice(chance.size, PEOPLE, p=chance.ravel())
    noise, particle = np.unravel_index(drawn, chance.shape)
    # How often they err is set to what is expected, not drawn: where a curve crosses a level is far from linear in it.
    by_shape = chance.sum(1).reshape(2, -1)
    expected = (by_shape @ ERRORS) / by_shape.sum(1).clip(1e-300)
    attentive = noise < len(ERRORS)
    slope = np.where(attentive, slope_of(float(expected[0])), STEEP)
    return Sample(weights[particle], slope, np.where(attentive, 0.0, expected[1]))


def noise_shapes() -> tuple[Floats, Floats]:
    """(slopes, lapses) (2E,): the E shares of errors made near ties alone, then made by inattention alone."""
    steep = np.full(len(ERRORS), STEEP)
    return np.concatenate([[slope_of(e) for e in ERRORS], steep]), np.concatenate([np.zeros(len(ERRORS)), ERRORS])


def slope_of(error: float) -> float:
    """The slope at which a logistic judge of pairs whose worths differ by N(0, 1) errs in a share `error`."""
    differences = np.abs(np.linspace(-4, 4, 801))
    density = np.exp(-(differences**2) / 2)
    slopes = np.geomspace(0.2, 400, 200)
    errors = [(density * _right(-differences, slope, 0.0)).sum() / density.sum() for slope in slopes]
    return float(np.exp(np.interp(-error, -np.array(errors), np.log(slopes))))


def _right(margins: Floats, slope: float, lapse: float) -> Floats:
    found: Floats = lapse + (1 - 2 * lapse) / (1 + np.exp(np.clip(-slope * margins, -50, 50)))
    return found


def learn(features: Floats, people: Sample, rng: np.random.Generator, k: int) -> Curve:
    """Accuracy on held-out pairs of a learner that is given answers about `k` clips at a time by each of `people`."""
    grid = np.unique(np.geomspace(4, MOST_PAIRS / (k - 1), POINTS).astype(int))
    better = _answers(features, people, rng, k, int(grid[-1]))  # (P, n, pairs, d)
    first, second = _pairs(len(features), HELD_OUT, rng)
    apart = features[first] - features[second]  # (T, d)
    meant = people.weights @ apart.T > 0
    accuracy = []
    for n in grid:
        fitted = _fit(better[:, :n].reshape(len(better), -1, better.shape[-1]))
        accuracy.append(float(((fitted @ apart.T > 0) == meant).mean()))
    return Curve(grid, np.array(accuracy))


def _answers(features: Floats, people: Sample, rng: np.random.Generator, k: int, n: int) -> Floats:
    """Differences better minus worse (P, n, k(k-1)/2, d) of simulated orders of `k` clips.

    Noise of Gumbel's distribution on each clip's worth gives Bradley and Terry's probabilities for pairs and Plackett and
    Luce's for rankings; a lapse turns the whole order round.
    """
    size = len(people.weights)
    items = rng.random((size, n, len(features))).argpartition(k, axis=-1)[..., :k] if len(features) <= 64 else rng.integers(
        len(features), size=(size, n, k))  # fmt: skip
    shown = features[items]  # (P, n, k, d)
    worth = np.einsum("pnkd,pd->pnk", shown, people.weights) / np.sqrt(2) * people.slope[:, None, None]
    order = np.argsort(-(worth + rng.gumbel(size=worth.shape)), axis=-1)
    lapsed = rng.random((size, n)) < people.lapse[:, None]
    order = np.where(lapsed[..., None], order[..., ::-1], order)
    ranked = np.take_along_axis(shown, order[..., None], axis=2)
    upper, lower = (np.array(side) for side in zip(*combinations(range(k), 2), strict=True))
    found: Floats = ranked[:, :, upper] - ranked[:, :, lower]
    return found


def _pairs(size: int, n: int, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    first = rng.integers(size, size=n)
    return first, (first + rng.integers(1, size, size=n)) % size


def _fit(better: Floats) -> Floats:
    """Weights (P, d) of the logistic loss on `better` (P, m, d) with a ridge, by Newton's method."""
    weights = np.zeros((len(better), better.shape[-1]))
    eye = RIDGE * np.eye(better.shape[-1])
    for _ in range(STEPS):
        wrong = 1 / (1 + np.exp(np.einsum("pmd,pd->pm", better, weights)))
        gradient = np.einsum("pm,pmd->pd", wrong, better) - RIDGE * weights
        curvature = np.einsum("pm,pmd,pme->pde", wrong * (1 - wrong), better, better, optimize=True) + eye
        weights = weights + np.linalg.solve(curvature, gradient[..., None])[..., 0]
    return weights
