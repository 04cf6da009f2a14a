"""What a loss is: a module from scores and labels to a value, a value per query, and metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from prefrl.errors import ConfigError, choices
from prefrl.losses.labels import Kind, Labels
from prefrl.losses.metrics import MetricBag
from prefrl.losses.scores import Scores

Probabilities = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class LossOut:
    """A loss of B queries. Batches merge by summing `per_example * weight` and `weight`."""

    loss: Tensor  # () weighted mean, differentiable; 0 with a graph if nothing has weight
    terms: Mapping[str, Tensor]  # name -> () value of each term before its coefficient
    per_example: Tensor  # (B,) each query's own loss
    weight: Tensor  # (B,) what each query counted
    measure: Callable[[MetricBag], None]  # fills in the metrics, without a graph

    @cached_property
    def metrics(self) -> MetricBag:
        """Computed when first read; "loss" is the total, "loss/<term>" each term of several."""
        bag = MetricBag()
        with torch.no_grad():
            weight = self.weight.sum()
            bag.add("loss", self.loss * weight, weight)
            if len(self.terms) > 1:
                for name, value in self.terms.items():
                    bag.add(f"loss/{name}", value * weight, weight)
            self.measure(bag)
        return bag


class PrefLoss(nn.Module):
    """A loss over preferences: subclasses set `kinds` and `requires` and implement `evaluate`.

    A module, so that thresholds and temperatures may be learned. Calling it refuses labels and scores it cannot use,
    and computes in float32 at least, even under autocast.
    """

    name = "loss"
    kinds: frozenset[Kind] = frozenset()
    requires: frozenset[str] = frozenset()  # keys of Scores.aux

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        """The loss of usable scores and labels."""
        raise NotImplementedError

    def probabilities(self, scores: Scores, labels: Labels) -> Probabilities | None:
        """(N,) P(i beats j) as modelled, as labelled, and the weight of each pair; None if it models no probability."""
        return None

    def forward(self, scores: Scores, labels: Labels) -> LossOut:
        self.check([labels.kind], scores.aux)
        with torch.autocast(scores.s.device.type, enabled=False):
            return self.evaluate(scores.exact(), labels)

    def check(self, kinds: Iterable[str], aux: Iterable[str]) -> None:
        """Raise ConfigError if it cannot use these kinds of answer, or needs inputs beyond `aux`."""
        for kind in kinds:
            if kind not in self.kinds:
                raise ConfigError(
                    f"loss '{self.name}' cannot use answers of kind '{kind}' (it takes {', '.join(sorted(self.kinds))}): "
                    f"choose a loss made for them, see `prefrl losses list`, or ask another kind of question"
                )
        if not self.requires <= (given := set(aux)):
            missing = ", ".join(sorted(self.requires - given))
            raise ConfigError(
                f"loss '{self.name}' needs {missing} beside the scores, and this scorer gives "
                f"{', '.join(sorted(given)) or 'nothing'}: use a learner that provides it, or a loss that does without"
            )

    def reduced(self, total: Tensor, weight: Tensor, measure: Callable[[MetricBag], None]) -> LossOut:
        """The outcome of weighted sums (B,) and weights (B,) of queries."""
        loss = total.sum() / _nonzero(weight.sum())
        return LossOut(loss, {self.name: loss}, total / _nonzero(weight), weight, measure)


def _nonzero(weight: Tensor) -> Tensor:
    return weight.masked_fill(weight == 0, 1.0)


class WeightedSum(PrefLoss):
    """Several losses of the same scores and labels, each times its coefficient."""

    def __init__(self, terms: Sequence[tuple[float, PrefLoss]]) -> None:
        super().__init__()
        self.coefs = [coef for coef, _ in terms]
        self.losses = nn.ModuleList(loss for _, loss in terms)
        self.name = " + ".join(loss.name for _, loss in terms)
        self.kinds = frozenset.intersection(*(loss.kinds for _, loss in terms))
        self.requires = frozenset().union(*(loss.requires for _, loss in terms))
        if not self.kinds:
            listed = "; ".join(f"{loss.name}: {', '.join(sorted(loss.kinds))}" for _, loss in terms)
            raise ConfigError(f"no kind of answer suits every loss of the sum ({listed}): leave one out")

    def evaluate(self, scores: Scores, labels: Labels) -> LossOut:
        outs: list[LossOut] = [loss.evaluate(scores, labels) for loss in self.losses]  # type: ignore[operator]
        pairs = list(zip(self.coefs, outs, strict=True))
        terms: dict[str, Tensor] = {}
        for out in outs:
            for name, value in out.terms.items():
                terms[name if name not in terms else f"{name} {len(terms) + 1}"] = value

        def measure(bag: MetricBag) -> None:
            for out in outs:
                own = MetricBag()
                out.measure(own)
                for name, (total, weight) in own.entries.items():
                    if name not in bag:
                        bag.add(name, total, weight)

        loss = torch.stack([coef * out.loss for coef, out in pairs]).sum()
        per_example = torch.stack([coef * out.per_example for coef, out in pairs]).sum(0)
        return LossOut(loss, terms, per_example, outs[0].weight, measure)

    def gradient_shares(self, scores: Scores, labels: Labels) -> dict[str, float]:
        """Term -> its share of the push on raw scores: |coef * d term / d s| over the sum of all."""
        exact, pushes = scores.exact().detach(), {}
        for coef, loss in zip(self.coefs, self.losses, strict=True):
            leaf = exact.s.clone().requires_grad_()
            out: LossOut = loss.evaluate(exact.with_scores(leaf), labels)  # type: ignore[operator]
            (found,) = (
                torch.autograd.grad(coef * out.loss, [leaf], allow_unused=True) if out.loss.requires_grad else (None,)
            )
            pushes[str(loss.name)] = 0.0 if found is None else float(found.norm())
        total = sum(pushes.values())
        return {name: push / total for name, push in pushes.items()} if total else {}

    def probabilities(self, scores: Scores, labels: Labels) -> Probabilities | None:
        for loss in self.losses:
            known: Probabilities | None = loss.probabilities(scores, labels)  # type: ignore[operator]
            if known is not None:
                return known
        return None


def build_loss(terms: Sequence[tuple[float, str, Any]], specs: Mapping[str, Any]) -> PrefLoss:
    """The weighted sum of (coefficient, name, options); `specs` maps a name to what has `.build(options)`."""
    if not terms:
        raise ConfigError("a loss needs at least one term, for example `loss: {name: bradley_terry}`")
    built: list[tuple[float, PrefLoss]] = []
    for coef, name, options in terms:
        if name not in specs:
            raise ConfigError(f"there is no loss '{name}'. {choices(name, specs)}")
        loss: PrefLoss = specs[name].build(options)
        loss.name = name
        built.append((coef, loss))
    return built[0][1] if len(built) == 1 and built[0][0] == 1.0 else WeightedSum(built)
