"""Answers of several people or programs about pairs in, what is probably true of each pair out, with everybody's error rate.

The model of the answers (Raykar et al. 2010, Learning From Crowds, section 2; Dawid and Skene 1979 without the reward): of
each question one clip is better, with probability sigmoid(slope * difference of the learned returns), and annotator k says
the opposite with probability e_k, whatever the question. Error rates, slope and reward maximise the likelihood of all
answers together: the reward by its own fit to the posterior of the truth, the others here, by EM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from prefrl.errors import ConfigError
from prefrl.filters.options import ReliabilityOptions
from prefrl.losses import Kind, Labels
from prefrl.specs import BuildContext, FilterContext

ROUNDS = 200  # of EM; it has settled long before
TINY = 1e-4  # no error rate is closer to 0 or 1


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """N answers that order two clips: of which question, by whom, whether the first was called better, their weight."""

    question: Tensor  # (N,) int, 0 to Q - 1
    annotator: Tensor  # (N,) int, 0 to K - 1
    first: Tensor  # (N,) 1 or 0
    weight: Tensor  # (N,)


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """Error rate of each annotator (K,), slope of the reward, P(first is better) of each question (Q,)."""

    error: Tensor
    slope: float
    truth: Tensor


def estimated(said: Said, ahead: Tensor, start: Tensor, expected: float, strength: float) -> Crowd:
    """EM from error rates `start` (K,). `ahead` (Q,) is by how much the reward puts the first clip of each question ahead.

    An annotator's rate is pulled towards `expected` as by `strength` answers. Nothing that is in `ahead` may come from the
    question's own answers, or the reward would agree with whomever it was fitted to.
    """
    error, questions = start.double(), len(ahead)
    spread = float(ahead.std(correction=0)) if questions > 1 else 0.0
    standard = ahead.double() / spread if spread > 0 else torch.zeros_like(ahead, dtype=torch.float64)
    counted = torch.zeros_like(error).index_add(0, said.annotator, said.weight)
    slope, truth = 1.0, torch.full((questions,), 0.5, dtype=torch.float64)
    for _ in range(ROUNDS):
        sure = torch.log1p(-error) - torch.log(error)
        says = said.weight * (2 * said.first - 1) * sure[said.annotator]
        truth = torch.sigmoid((slope * standard).index_add(0, said.question, says))
        wrong = said.weight * (truth[said.question] - said.first).abs()
        error = (strength * expected + torch.zeros_like(error).index_add(0, said.annotator, wrong)) / (
            strength + counted
        )
        error = error.clamp(TINY, 1 - TINY)
        slope = _slope(standard, truth, slope)
    return Crowd(error, slope / spread if spread > 0 else 0.0, truth)


def _slope(standard: Tensor, truth: Tensor, slope: float) -> float:
    """One step of Newton's on the logistic likelihood of `truth` (Q,) by `standard` (Q,), at least 0; slightly restrained."""
    p = torch.sigmoid(slope * standard)
    gradient = float((standard * (truth - p)).sum()) - 0.1 * slope
    curvature = float((standard.square() * p * (1 - p)).sum()) + 0.1
    return max(0.0, slope + max(-1.0, min(1.0, gradient / curvature)))


class Reliability:
    """Each answer is replaced by the probability of the truth of its question; together a question's answers weigh one.

    What the reward says of a question comes from models that never saw its answers (cross-fitting, by question), fitted
    first to all answers alike, then to what those made probable. While there are too few questions to leave a fold out,
    agreement alone decides.
    """

    def __init__(self, options: ReliabilityOptions, context: BuildContext) -> None:
        self._options = options
        self.error: dict[str, float] = {}  # by annotator
        self.answers: dict[str, float] = {}  # how many it gave, by weight

    def apply(self, labels: Labels, context: FilterContext) -> Labels:
        if labels.kind is not Kind.PAIR or labels.pref is None:
            raise ConfigError(
                f"reward.filters: reliability is learned from answers about pairs, and these are of kind '{labels.kind}'; ask "
                f"about two clips (feedback.items: 2) or take it out."
            )
        weight = labels.weights(labels.pref)
        telling = context.training & (weight > 0) & (labels.pref != 0.5)
        rows = torch.nonzero(telling).squeeze(-1)
        if not len(rows):
            return labels
        names = sorted({context.annotators[row] for row in rows.tolist()})
        places = _places([context.questions[row] for row in rows.tolist()]).to(rows.device)
        who = torch.tensor([names.index(context.annotators[row]) for row in rows.tolist()], device=rows.device)
        said = Said(places, who, (labels.pref[rows] > 0.5).double(), weight[rows].double())
        first = labels
        crowd = self._crowd(said, torch.zeros(int(places.max()) + 1, device=rows.device), names)
        for _ in range(self._options.passes):
            ahead = self._unseen(rows, places, first, context)
            if ahead is None:
                break
            crowd = self._crowd(said, ahead, names)
            first = _replaced(labels, rows, said, crowd)
        self.error = dict(zip(names, crowd.error.tolist(), strict=True))
        counted = torch.zeros_like(crowd.error).index_add(0, who, said.weight)
        self.answers = dict(zip(names, counted.tolist(), strict=True))
        return _replaced(labels, rows, said, crowd)

    def _crowd(self, said: Said, ahead: Tensor, names: Sequence[str]) -> Crowd:
        expected = self._options.error
        start = torch.tensor([self.error.get(name, expected) for name in names], device=ahead.device)
        return estimated(said, ahead, start.clamp(TINY, 1 - TINY), expected, self._options.strength)

    def _unseen(self, rows: Tensor, places: Tensor, labels: Labels, context: FilterContext) -> Tensor | None:
        """(Q,) lead of each question's first clip by members fitted to other questions' `labels`; None if there are too few."""
        folds, questions = self._options.folds, int(places.max()) + 1
        if questions < 2 * folds:
            return None
        ahead = torch.zeros(questions, device=rows.device)
        for fold in range(folds):
            mine = places % folds == fold
            scores = context.refit(rows[~mine], labels).mean(0)
            ahead[places[mine]] = (scores[:, 0] - scores[:, 1])[rows[mine]].to(ahead)
        return ahead

    def metrics(self) -> Mapping[str, float]:
        """`reliability/<source>` and, where a source has several annotators, `reliability/<source>/<annotator>`."""
        found: dict[str, float] = {}
        sources: dict[str, list[str]] = {}
        for name in self.error:
            sources.setdefault(name.partition("/")[0], []).append(name)
        for source, names in sources.items():
            total = sum(self.answers[name] for name in names)
            found[f"reliability/{source}"] = 1 - sum(self.error[n] * self.answers[n] for n in names) / total
            if names != [source]:
                found |= {f"reliability/{name}": 1 - self.error[name] for name in names}
        return found

    def state_dict(self) -> Mapping[str, Any]:
        return {"error": self.error, "answers": self.answers}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.error, self.answers = dict(state["error"]), dict(state["answers"])


def _places(questions: Sequence[str]) -> Tensor:
    """(N,) number of each question, in the order in which they first come."""
    order = {name: place for place, name in enumerate(dict.fromkeys(questions))}
    return torch.tensor([order[name] for name in questions])


def _replaced(labels: Labels, rows: Tensor, said: Said, crowd: Crowd) -> Labels:
    """`labels` with the truth, as far as it is known, at `rows` (N,); a question's weight is the mean of its answers'."""
    assert labels.pref is not None
    pref, weight = labels.pref.clone(), labels.weights(labels.pref).clone()
    truth = crowd.truth[said.question].to(pref)
    answers = torch.bincount(said.question, minlength=len(crowd.truth))
    pref[rows] = truth
    weight[rows] = (said.weight / answers[said.question]).to(weight)
    outcome = labels.outcome
    if outcome is not None:
        outcome = outcome.clone()
        outcome[rows] = torch.stack([truth, 1 - truth, torch.zeros_like(truth)], 1).to(outcome)
    return replace(labels, pref=pref, weight=weight, outcome=outcome)
