"""Answers and a loss in, an updated reward model out: the trainer that every scorer shares.

A scorer is anything with raw scores and parameters (a member of an ensemble, a control policy, an LLM). Held-out answers
are chosen by the hash of their query, so that an answer stays held out for the whole run.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrl.augment import steps_of
from prefrl.losses import Labels, MetricBag, PrefLoss, Scores, WeightedSum, collate
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build as pair_loss
from prefrl.pseudo import PseudoLabels, Unjudged
from prefrl.settings import FitSettings, UnlabelledSettings
from prefrl.specs import Augmentation, FilterContext, LabelFilter, Measured, OfFactors, PerUser, RewardModel, Scorer
from prefrl.types import Array, Item, Preference, Query, RewardFit


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Answers of one kind: `index` (B, K) rows into the item batch, -1 missing; `held_out` (B,) bool."""

    labels: Labels
    index: Tensor
    held_out: Tensor
    questions: tuple[str, ...] = ()  # (B,) ids of their queries
    annotators: tuple[str, ...] = ()  # (B,) who gave them


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """All answers of a data set as tensors over one batch of distinct items."""

    batch: Any  # what the reward model's `collate` made of the items
    lengths: Tensor  # (N,) steps of each item
    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return sum(len(part.index) for part in self.parts)


@dataclass(slots=True)
class Course:
    """How far one member is in one fit."""

    epochs: int = 0
    updates: int = 0
    best: float = math.inf
    stale: int = 0
    done: bool = False


def gather(
    preferences: Sequence[Preference],
    queries: Mapping[str, Query],
    weights: Mapping[str, float],
    reward: RewardModel,
    validation: float,
) -> Answers:
    """Tensors of the current answers; `weights` are by source, `validation` is the share held out.

    Skips teach nothing and are left out.
    """
    preferences = [preference for preference in preferences if preference.answer is not None]
    place: dict[str, int] = {}
    items: list[Item] = []
    for preference in preferences:
        for item in queries[preference.query_id].items:
            if item.id not in place:
                place[item.id] = len(items)
                items.append(item)
    batch = reward.collate(items)
    sizes = [len(queries[p.query_id].items) for p in preferences]
    parts = []
    counted = [weights.get(p.source, 1.0) for p in preferences]
    factors = reward.factors if isinstance(reward, OfFactors) else ()
    users = sorted({p.group for p in preferences}) if isinstance(reward, PerUser) else None
    for labels, rows in collate(preferences, sizes, counted, users, factors).values():
        width = max(sizes[row] for row in rows)
        index = torch.full((len(rows), width), -1)
        for b, row in enumerate(rows):
            ids = [place[item.id] for item in queries[preferences[row].query_id].items]
            index[b, : len(ids)] = torch.tensor(ids)
        held_out = torch.tensor([share_of(preferences[row].query_id) < validation for row in rows])
        device, given = batch.mask.device, [preferences[row] for row in rows]
        questions, annotators = tuple(p.query_id for p in given), tuple(map(annotator_of, given))
        parts.append(Part(labels.to(device), index.to(device), held_out, questions, annotators))
    if isinstance(reward, PerUser) and users is not None:
        batch = reward.told(batch, users, [(part.labels, part.index, part.held_out) for part in parts])
    return Answers(batch, batch.lengths, tuple(parts))


def share_of(query_id: str) -> float:
    """A number in [0, 1) that depends on the query alone."""
    return int(query_id[:8], 16) / 2**32


def annotator_of(preference: Preference) -> str:
    """The source, and who of it where it says so."""
    return preference.source if preference.annotator == "-" else f"{preference.source}/{preference.annotator}"


class Trainer:
    """Fits the members of a reward model; optimisers live as long as the run."""

    def __init__(
        self,
        reward: RewardModel,
        loss: PrefLoss,
        settings: FitSettings,
        augment: Sequence[Augmentation],
        filters: Sequence[LabelFilter],
        seed: int,
        unlabelled: UnlabelledSettings | None = None,
    ) -> None:
        self._reward, self._loss, self._settings = reward, loss, settings
        self._aside = torch.Generator().manual_seed(
            seed ^ 1
        )  # of its own: what is drawn for the answers stays the same
        self._pseudo = None if unlabelled is None else PseudoLabels(unlabelled, self._aside)
        self._pairs: Unjudged | None = None  # while a fit lasts
        self._augment, self._filters = augment, filters
        self._generator = torch.Generator().manual_seed(seed)
        self._optimizers: list[torch.optim.Optimizer] = []  # made at the first fit: a policy may come after its trainer

    def _fresh_optimizers(self) -> list[torch.optim.Optimizer]:
        lr, decay = self._settings.learning_rate, self._settings.weight_decay
        device = next((p.device for member in self._reward.scorers() for p in member.parameters()), "cpu")
        shared = list(self._loss.to(device).parameters())  # thresholds and temperatures may be learned
        weights = [[*member.parameters(), *shared] for member in self._reward.scorers()]
        return [torch.optim.AdamW(parameters, lr=lr, weight_decay=decay) for parameters in weights]

    def fit(self, answers: Answers, round: int, step: int, pairs: Unjudged | None = None) -> RewardFit:
        """Update every member, then the model's output statistics; `pairs` are what pseudo-labels are for."""
        started = time.perf_counter()
        self._pairs = pairs
        if self._settings.reset:
            self._reward.reset()
            self._optimizers = []
        self._optimizers = self._optimizers or self._fresh_optimizers()
        given = answers
        courses = [Course() for _ in self._reward.scorers()]
        answers = self._filtered(given)
        for look in range(0, self._settings.epochs, self._epochs_per_look):
            if look:
                answers = self._filtered(given)
            for member, optimizer, course in zip(self._reward.scorers(), self._optimizers, courses, strict=True):
                self._fit_member(member, optimizer, answers, course)
            if all(course.done for course in courses):
                break
        self._reward.fitted()
        train, held_out = self.measure(answers, held_out=False), self.measure(answers, held_out=True)
        return RewardFit(
            round=round,
            step=step,
            preferences=len(answers),
            epochs=float(np.mean([course.epochs for course in courses])) if courses else 0.0,
            loss=train.get("loss", math.nan),
            accuracy=train.get("acc", math.nan),
            val_accuracy=held_out.get("acc", math.nan),
            seconds=time.perf_counter() - started,
            version=self._reward.version,
            metrics={
                **train,
                **{f"val_{n}": value for n, value in held_out.items()},
                **filtered_shares(given, answers),
                **self._gradient_shares(answers),
                **{
                    name: value
                    for one in self._filters
                    if isinstance(one, Measured)
                    for name, value in one.metrics().items()
                },
            },
        )

    def _gradient_shares(self, answers: Answers) -> dict[str, float]:
        """Of a loss of several terms, how much each pushes the first member's scores; by up to 256 answers of one kind."""
        if not isinstance(self._loss, WeightedSum) or not self._reward.scorers() or not answers.parts:
            return {}
        part, member = answers.parts[0], self._reward.scorers()[0]
        rows = torch.nonzero(~part.held_out).squeeze(-1)[:256]
        with torch.no_grad():
            scores = self._scores(member, answers, part, rows, training=False)
        shares = self._loss.gradient_shares(scores, part.labels.take(rows))
        return {f"grad_share/{name}": share for name, share in shares.items()}

    @property
    def _epochs_per_look(self) -> int:
        """Epochs between two looks of the label filters; all there are if they look once or there are none."""
        settings = self._settings
        return settings.refilter if self._filters and settings.refilter is not None else settings.epochs

    def _fit_member(self, member: Scorer, optimizer: torch.optim.Optimizer, answers: Answers, course: Course) -> None:
        """To the next look, or until the answers are explained, the held-out loss stops falling or a limit is reached."""
        last = min(course.epochs + self._epochs_per_look, self._settings.epochs)
        while course.epochs < last and not course.done:
            course.epochs += 1
            course.done = self._epoch(member, optimizer, answers, course)

    def _epoch(self, member: Scorer, optimizer: torch.optim.Optimizer, answers: Answers, course: Course) -> bool:
        """One pass over the answers; whether the member is done."""
        settings, metrics = self._settings, MetricBag()
        for part, rows in self._batches(answers):
            out = self._loss(self._scores(member, answers, part, rows, training=True), part.labels.take(rows))
            loss = out.loss
            if self._pseudo is not None and self._pairs is not None:
                loss = loss + self._pseudo.loss(partial(self._score_pairs, member), self._pairs, len(rows))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if settings.max_grad_norm is not None:
                torch.nn.utils.clip_grad_norm_(list(member.parameters()), settings.max_grad_norm)
            optimizer.step()
            metrics.merge(out.metrics)
            course.updates += 1
            if course.updates == settings.updates:
                return True
        if settings.stop_accuracy is not None and metrics.means().get("acc", 0.0) >= settings.stop_accuracy:
            return True
        if settings.patience is not None and any(part.held_out.any() for part in answers.parts):
            held_out = self._measure([member], answers, held_out=True)["loss"]
            better = held_out < course.best
            course.best, course.stale = (held_out, 0) if better else (course.best, course.stale + 1)
            return course.stale >= settings.patience
        return False

    def _batches(self, answers: Answers) -> list[tuple[Part, Tensor]]:
        """Shuffled minibatches of training rows; each is of one kind of answer."""
        batches = []
        for part in answers.parts:
            rows = torch.nonzero(~part.held_out).squeeze(-1)
            order = rows[torch.randperm(len(rows), generator=self._generator)]
            batches += [(part, chunk) for chunk in torch.split(order, self._settings.batch_size) if len(chunk)]
        if len(answers.parts) > 1:
            batches = [batches[i] for i in torch.randperm(len(batches), generator=self._generator).tolist()]
        return batches

    def _scores(self, member: Scorer, answers: Answers, part: Part, rows: Tensor, *, training: bool) -> Scores:
        """Scores of queries `rows`; in training over augmented windows and, if so set, a sample of their steps."""
        index = part.index[rows]
        steps, scale = self._chosen(answers.lengths, index, training, self._generator)
        group = part.labels.group
        batch = answers.batch if group is None else answers.batch.told_by(group[rows])
        return member.score(batch, index, steps, scale)

    def _score_pairs(
        self, member: Scorer, pairs: Unjudged, index: Tensor, training: bool, generator: torch.Generator
    ) -> Scores:
        steps, scale = self._chosen(pairs.lengths, index, training, generator)
        return member.score(pairs.batch, index, steps, scale)

    def _chosen(
        self, lengths: Tensor, index: Tensor, training: bool, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Steps of the items `index` (B, K) and their scale, as `Scorer.score` takes them."""
        length = torch.where(index >= 0, lengths[index.clamp(min=0)], 1)
        return steps_of(length, self._augment, self._settings.steps, generator) if training else steps_of(length)

    def _filtered(self, answers: Answers) -> Answers:
        """What the run's filters make of the answers at a look; what is held out stays as it was given."""
        parts = [self._looked_at(answers, part) for part in answers.parts] if self._filters else answers.parts
        return Answers(answers.batch, answers.lengths, tuple(parts))

    def _looked_at(self, answers: Answers, part: Part) -> Part:
        labels, held_out = part.labels, part.held_out.to(part.index.device)
        scores = self._every_score(answers, part)

        def refit(rows: Tensor, other: Labels | None = None) -> Tensor:
            return self._refitted(answers, part, rows, part.labels if other is None else other)

        context = FilterContext(self._loss, scores, ~held_out, refit, part.questions, part.annotators)
        for label_filter in self._filters:
            labels = label_filter.apply(labels, context)
        return replace(part, labels=labels.keeping(held_out, part.labels))

    @torch.no_grad()
    def _every_score(self, answers: Answers, part: Part) -> Tensor:
        """(E, B, K) raw scores of all queries of a part by every member."""
        rows = torch.arange(len(part.index))
        each = [self._scores(m, answers, part, rows, training=False).s for m in self._reward.scorers()]
        return torch.stack(each)

    def _refitted(self, answers: Answers, part: Part, rows: Tensor, labels: Labels) -> Tensor:
        """(E, B, K) scores by fresh members, fitted to `rows` of a part alone by plain Bradley-Terry."""
        fresh = copy.deepcopy(self._reward)
        fresh.reset()
        seed = int(torch.randint(2**62, (), generator=self._generator))
        trainer = Trainer(fresh, pair_loss(BradleyTerryOptions()), self._settings, self._augment, (), seed)
        fold = Part(labels.take(rows), part.index[rows], torch.zeros(len(rows), dtype=torch.bool))
        trainer.fit(Answers(answers.batch, answers.lengths, (fold,)), 0, 0)
        return trainer._every_score(answers, part)

    def measure(self, answers: Answers, *, held_out: bool) -> dict[str, float]:
        """Loss and metrics of the mean over members on held-out or training answers; empty if there are none."""
        return self._measure(self._reward.scorers(), answers, held_out=held_out)

    @torch.no_grad()
    def _measure(self, members: Sequence[Scorer], answers: Answers, *, held_out: bool) -> dict[str, float]:
        metrics = MetricBag()
        for part in answers.parts:
            rows = torch.nonzero(part.held_out if held_out else ~part.held_out).squeeze(-1)
            for chunk in torch.split(rows, 256):
                if len(chunk) and members:
                    scores = self._mean_scores(members, answers, part, chunk)
                    metrics.merge(self._loss(scores, part.labels.take(chunk)).metrics)
        return metrics.means()

    def _mean_scores(self, members: Sequence[Scorer], answers: Answers, part: Part, rows: Tensor) -> Scores:
        each = [self._scores(member, answers, part, rows, training=False) for member in members]
        return Scores(s=torch.stack([scores.s for scores in each]).mean(0), mask=each[0].mask, aux=each[0].aux)

    @torch.no_grad()
    def calibration(self, answers: Answers, bins: int = 10) -> Mapping[str, Any]:
        """Held-out reliability: {"bins": [[mean predicted P, observed share, n], ...], "ece", "n"}.

        Each pair counts both ways round, because which of the two stands first means nothing.
        """
        predicted, target = [], []
        for part in answers.parts:
            rows = torch.nonzero(part.held_out).squeeze(-1)
            if len(rows) and self._reward.scorers():
                scores = self._mean_scores(self._reward.scorers(), answers, part, rows)
                known = self._loss.probabilities(scores, part.labels.take(rows))
                if known is not None:
                    counted = known[2] > 0  # of a ranking, the pairs of which anything was said
                    predicted.append(known[0][counted].cpu().numpy())
                    target.append(known[1][counted].cpu().numpy())
        p, q = np.concatenate([np.empty(0), *predicted]), np.concatenate([np.empty(0), *target])
        both_ways = _reliability(np.concatenate([p, 1 - p]), np.concatenate([q, 1 - q]), bins)
        return {**both_ways, "n": len(p)}

    def state_dict(self) -> Mapping[str, Any]:
        return {
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "generator": self._generator.get_state(),
            "aside": self._aside.get_state(),
            "loss": self._loss.state_dict(),
            "filters": [label_filter.state_dict() for label_filter in self._filters],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._optimizers = self._fresh_optimizers() if state["optimizers"] else []
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self._generator.set_state(state["generator"])
        self._aside.set_state(state["aside"])
        self._loss.load_state_dict(state["loss"])
        for label_filter, saved in zip(self._filters, state["filters"], strict=True):
            label_filter.load_state_dict(saved)


def filtered_shares(given: Answers, kept: Answers) -> dict[str, float]:
    """Shares of the training answers that filters left without weight, and turned round; none if they left all alone."""
    counts = {"frac_distrusted": 0.0, "frac_turned": 0.0}
    total = 0
    for before, after in zip(given.parts, kept.parts, strict=True):
        old, new = before.labels, after.labels
        if old is new or old.pref is None or new.pref is None:
            continue
        training = ~before.held_out.to(old.pref.device)
        weighed = training & (old.weights(old.pref) > 0)
        dropped = weighed & (new.weights(old.pref) == 0)
        total += int(weighed.sum())
        counts["frac_distrusted"] += int(dropped.sum())
        counts["frac_turned"] += int((weighed & ~dropped & ((old.pref - 0.5) * (new.pref - 0.5) < 0)).sum())
    return {name: count / total for name, count in counts.items()} if total else {}


def _reliability(predicted: Array, target: Array, bins: int) -> dict[str, Any]:
    """Equal-width bins of the predicted probability against the observed share."""
    place = np.minimum((predicted * bins).astype(int), bins - 1)
    rows = [
        [float(predicted[place == b].mean()), float(target[place == b].mean()), int((place == b).sum())]
        for b in range(bins)
        if (place == b).any()
    ]
    n = len(predicted)
    ece = sum(abs(p - q) * count for p, q, count in rows) / n if n else math.nan
    return {"bins": rows, "ece": ece, "n": n}
