"""What every registered loss promises, one function per promise; `check_loss` runs them all on a loss spec.

A promise takes a spec (anything with name, options, build, kinds, requires, shift_invariant, batch_coupled) and one
kind of answer it declares, and raises AssertionError where it is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from prefrl.losses import Kind, Labels, PrefLoss, Scores
from prefrl.options import NoOptions, Options
from prefrl.specs import LossSpec
from prefrl.testing.promises import chosen

B, K, T = 5, 4, 3  # queries, items and steps of an example
PER_ITEM = {
    "ref_logp",
    "prev_logp",
    "length",
    "nll",
    "others",
    "embed",
    "embed_view",
    "pref_logit",
    "contributions",
    "times",
}
PER_QUERY = {"resp_logratio", "rationale_nll"}
# aux that a loss trains directly
TRAINED = {"embed", "embed_view", "latent_mu", "latent_logvar", "pref_logit", "contributions"} | {
    "nll",
    "resp_logratio",
    "rationale_nll",
}


@dataclass(frozen=True, eq=False)
class Example:
    """A batch a loss can be tried on; `step` (B, K, T) and the trainable aux are what gradients are taken of."""

    step: Tensor
    mask: Tensor
    aux: Mapping[str, Tensor]
    labels: Labels

    def scores(self) -> Scores:
        return Scores(self.step.sum(2), self.mask, self.step, self.mask.unsqueeze(2).expand_as(self.step), self.aux)


def example(kind: Kind, requires: frozenset[str], dtype: torch.dtype = torch.float64, seed: int = 0) -> Example:
    """Random scores below zero (log-probabilities are), random answers of `kind`, and every aux in `requires`."""
    g = torch.Generator().manual_seed(seed)
    k = 2 if kind is Kind.PAIR else 3 if kind is Kind.SIMILARITY else K
    normal = torch.randn(B, k, T, generator=g, dtype=torch.float64)
    made = {key: _aux(key, k, g) for key in sorted(requires)}
    aux = {key: value.to(dtype) if value.is_floating_point() else value for key, value in made.items()}
    return Example((-normal.exp()).to(dtype), torch.ones(B, k, dtype=torch.bool), aux, _labels(kind, k, g, dtype))


def _aux(key: str, k: int, g: torch.Generator) -> Tensor:
    shapes = {
        "others": (B, k, 1), "embed": (B, k, 6), "embed_view": (B, k, 6), "kl_logratio": (7,), "pref_logit": (B, k, k),
        "latent_mu": (2, 3), "latent_logvar": (2, 3), "resp_logratio": (B,), "rationale_nll": (B,),
        "contributions": (B, k, 3),
    }  # fmt: skip
    if key == "times":
        return torch.arange(T).expand(B, k, T)
    values = torch.randn(shapes.get(key, (B, k)), generator=g, dtype=torch.float64)
    if key == "length":
        return (values.abs() * 3).ceil().clamp_min(1)
    return values.abs() if key in ("nll", "rationale_nll") else values


def _labels(kind: Kind, k: int, g: torch.Generator, dtype: torch.dtype) -> Labels:
    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=g, dtype=torch.float64).to(dtype)

    weight = uniform(B) + 0.5
    if kind in (Kind.PAIR, Kind.SIMILARITY):
        pref = torch.tensor([1.0, 0.0, 0.5, 0.8, 1.0], dtype=dtype)
        if kind is Kind.SIMILARITY:
            return Labels(kind, pref=pref, weight=weight)
        window = torch.tensor([[0, 2], [1, 3], [0, 3], [-1, -1], [2, 3]])
        return Labels(kind, pref=pref, weight=weight, factor=torch.tensor([0, 2, 1, -1, 1]), window=window)
    order = uniform(B, k).argsort(1)
    if kind is Kind.RANK:
        tied = torch.tensor([[0, 1, 1, 2]]).gather(1, order[:1])
        return Labels(kind, rank=torch.cat([tied, order[1:]]), weight=weight)
    if kind is Kind.CHOICE:
        return Labels(kind, rank=(order > 0).long(), weight=weight)
    if kind is Kind.GRADE:
        return Labels(kind, grade=order.to(dtype), item_weight=torch.ones(B, k, dtype=dtype), weight=weight)
    return Labels(kind, binary=(order % 2).to(dtype), item_weight=torch.ones(B, k, dtype=dtype), weight=weight)


def value_and_gradients(loss: PrefLoss, given: Example) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of an example, and its gradients for the steps and the aux that a loss trains directly."""
    leaves = {"step": given.step, **{key: value for key, value in given.aux.items() if key in TRAINED}}
    leaves = {key: value.detach().clone().requires_grad_() for key, value in leaves.items()}
    aux = {**given.aux, **{key: value for key, value in leaves.items() if key != "step"}}
    out = loss(replace(given, step=leaves["step"], aux=aux).scores(), given.labels)
    found = torch.autograd.grad(out.loss, list(leaves.values()), allow_unused=True)
    grads = {key: torch.zeros_like(leaves[key]) if g is None else g for key, g in zip(leaves, found, strict=True)}
    return out.loss.detach(), grads


def rearranged(given: Example, queries: Tensor | None = None, items: Tensor | None = None) -> Example:
    """The same batch with its queries, or the items within each query, in another order."""
    labels, step, mask, aux = given.labels, given.step, given.mask, dict(given.aux)
    if queries is not None:
        labels, step, mask = labels.take(queries), step[queries], mask[queries]
        aux = {key: value[queries] if key in PER_ITEM | PER_QUERY else value for key, value in aux.items()}
    if items is not None:
        step, mask = step[:, items], mask[:, items]
        aux = {key: value[:, items] if key in PER_ITEM else value for key, value in aux.items()}
        if "pref_logit" in aux:
            aux["pref_logit"] = aux["pref_logit"][:, :, items]
        labels = _items_of(labels, items)
    return Example(step, mask, aux, labels)


def _items_of(labels: Labels, items: Tensor) -> Labels:
    if labels.kind in (Kind.PAIR, Kind.SIMILARITY):
        assert labels.pref is not None
        return replace(labels, pref=1 - labels.pref)
    per_item = {name: getattr(labels, name) for name in ("rank", "grade", "binary", "item_weight")}
    moved: dict[str, Any] = {name: value[:, items] for name, value in per_item.items() if value is not None}
    return replace(labels, **moved)


# --- the promises ------------------------------------------------------------------------------------------------------

Promise = Callable[[Any, Kind], None]


def _built(spec: Any) -> PrefLoss:
    loss: PrefLoss = spec.build(spec.options())
    return loss


def keeps_its_vectors(spec: Any, kind: Kind) -> None:
    """Every vector of the spec (scores, labels, expected value) is reproduced to 1e-6."""
    for scores, labels, expected in getattr(spec, "vectors", ()):
        if labels.kind is kind:
            found = float(_built(spec)(scores, labels).loss)
            assert abs(found - expected) <= 1e-6, f"{found} instead of {expected}"


def agrees_in_single_precision(spec: Any, kind: Kind) -> None:
    """Value and gradient in float32 equal those in float64 to a relative 1e-4."""
    loss = _built(spec)
    wide = value_and_gradients(loss, example(kind, spec.requires, torch.float64))
    narrow = value_and_gradients(loss, example(kind, spec.requires, torch.float32))
    torch.testing.assert_close(narrow[0].double(), wide[0], rtol=1e-4, atol=1e-6)
    for key, gradient in wide[1].items():
        torch.testing.assert_close(narrow[1][key].double(), gradient, rtol=1e-4, atol=1e-5)


def stays_finite_for_large_scores(spec: Any, kind: Kind) -> None:
    """At scores of +-1e4, in float32, value and gradients are finite."""
    given = example(kind, spec.requires, torch.float32)
    signs = torch.where(torch.arange(given.step[..., 0].numel()) % 2 == 0, 1e4, -1e4)
    for large in (signs, -signs, torch.full_like(signs, 1e4), torch.full_like(signs, -1e4)):
        step = torch.zeros_like(given.step)
        step[..., 0] = large.view(step.shape[:2])
        value, gradients = value_and_gradients(_built(spec), replace(given, step=step))
        assert value.isfinite(), "the loss is not finite"
        assert all(bool(g.isfinite().all()) for g in gradients.values()), "a gradient is not finite"


def ignores_skipped_queries(spec: Any, kind: Kind) -> None:
    """A query of weight 0 has no gradient, and the loss is that of the batch without it."""
    if spec.batch_coupled:
        return
    given = example(kind, spec.requires)
    weight = given.labels.weights(given.step).clone()
    weight[[1, 3]] = 0.0
    given = replace(given, labels=replace(given.labels, weight=weight))
    value, gradients = value_and_gradients(_built(spec), given)
    rest, _ = value_and_gradients(_built(spec), rearranged(given, queries=torch.tensor([0, 2, 4])))
    torch.testing.assert_close(value, rest)
    for key, gradient in gradients.items():
        if key == "step" or key in PER_ITEM | PER_QUERY:
            assert not gradient[[1, 3]].any(), f"a skipped query has a gradient for {key}"


def is_zero_when_all_is_skipped(spec: Any, kind: Kind) -> None:
    """A batch of skips has loss 0 and zero gradients, not NaN."""
    given = example(kind, spec.requires)
    labels = replace(given.labels, weight=torch.zeros(B, dtype=torch.float64))
    step = given.step.clone().requires_grad_()
    out = _built(spec)(replace(given, step=step, labels=labels).scores(), labels)
    unweighted = {"latent_mu"} & spec.requires  # a term on users, not on queries
    if not unweighted:
        assert out.loss == 0, f"{out.loss} instead of 0"
    if out.loss.requires_grad:
        (gradient,) = torch.autograd.grad(out.loss, [step], allow_unused=True)
        assert gradient is None or not gradient.any()


def ignores_the_order_of_queries(spec: Any, kind: Kind) -> None:
    """Permuting the queries changes nothing but the order of the gradients."""
    given, order = example(kind, spec.requires), torch.tensor([3, 0, 4, 2, 1])
    value, gradients = value_and_gradients(_built(spec), given)
    again, permuted = value_and_gradients(_built(spec), rearranged(given, queries=order))
    torch.testing.assert_close(again, value)
    torch.testing.assert_close(permuted["step"], gradients["step"][order])


def ignores_the_order_of_items(spec: Any, kind: Kind) -> None:
    """Permuting the items of each query with their labels (a pair: swapping, p to 1 - p) changes nothing."""
    given = example(kind, spec.requires)
    orders = {Kind.PAIR: [1, 0], Kind.SIMILARITY: [0, 2, 1]}
    order = torch.tensor(orders.get(kind, [2, 0, 3, 1]))
    value, gradients = value_and_gradients(_built(spec), given)
    again, permuted = value_and_gradients(_built(spec), rearranged(given, items=order))
    torch.testing.assert_close(again, value)
    torch.testing.assert_close(permuted["step"], gradients["step"][:, order])


def ignores_padding(spec: Any, kind: Kind) -> None:
    """Items that do not exist, whatever their scores, change nothing and have no gradient."""
    given = example(kind, spec.requires)
    step = torch.cat([given.step, torch.full_like(given.step[:, :1], 1e3)], 1)
    mask = torch.cat([given.mask, torch.zeros(B, 1, dtype=torch.bool)], 1)
    aux = {key: torch.cat([v, torch.zeros_like(v[:, :1])], 1) if key in PER_ITEM else v for key, v in given.aux.items()}
    if "pref_logit" in aux:
        aux["pref_logit"] = torch.cat([aux["pref_logit"], torch.zeros(B, step.shape[1], 1, dtype=step.dtype)], 2)
    labels = given.labels
    fillers = {"rank": -1, "grade": 0.0, "binary": 0.0, "item_weight": 0.0}
    grown: dict[str, Any] = {
        name: torch.cat([getattr(labels, name), torch.full_like(getattr(labels, name)[:, :1], filler)], 1)
        for name, filler in fillers.items()
        if getattr(labels, name) is not None
    }
    value, gradients = value_and_gradients(_built(spec), given)
    padded = Example(step, mask, aux, replace(labels, **grown))
    again, wider = value_and_gradients(_built(spec), padded)
    torch.testing.assert_close(again, value)
    torch.testing.assert_close(wider["step"][:, :-1], gradients["step"])
    assert not wider["step"][:, -1].any(), "a padded item has a gradient"


def ignores_a_constant_if_declared(spec: Any, kind: Kind) -> None:
    """A loss declared shift-invariant does not change when a constant is added to all scores of a query."""
    if not spec.shift_invariant:
        return
    given = example(kind, spec.requires)
    shift = torch.linspace(0.5, 2, B, dtype=torch.float64).view(B, 1, 1)
    length = given.aux.get("length", torch.ones(B, given.step.shape[1], dtype=torch.float64))
    moved = replace(given, step=given.step + shift * length.unsqueeze(2))
    torch.testing.assert_close(value_and_gradients(_built(spec), moved)[0], value_and_gradients(_built(spec), given)[0])


def pushes_the_winner_up(spec: Any, kind: Kind) -> None:
    """Between equal scores, more score for the winner of a pair never costs."""
    if kind is not Kind.PAIR:
        return
    given = example(kind, spec.requires)
    level = {key: torch.ones_like(v) if key == "length" else torch.zeros_like(v) for key, v in given.aux.items()}
    labels = replace(given.labels, pref=torch.ones(B, dtype=torch.float64))
    even = replace(given, step=torch.full_like(given.step, -0.5), aux=level, labels=labels)
    if "ref_logp" in level:
        level["ref_logp"] = even.step.sum(2)
    _, gradients = value_and_gradients(_built(spec), replace(even, aux=level))
    assert bool((gradients["step"][:, 0] <= gradients["step"][:, 1] + 1e-12).all())


def differentiates_right(spec: Any, kind: Kind) -> None:
    """Its gradient is the numerical one, in float64 and a random direction (torch.autograd.gradcheck)."""
    given, loss = example(kind, spec.requires), _built(spec)

    def of(step: Tensor) -> Tensor:
        value: Tensor = loss(replace(given, step=step).scores(), given.labels).loss
        return value + 0 * step.sum()

    assert torch.autograd.gradcheck(of, (given.step.clone().requires_grad_(),), fast_mode=True)


def adds_up_over_batches(spec: Any, kind: Kind) -> None:
    """Unless declared batch-coupled, the weighted sums and the metrics of two halves add up to those of the whole."""
    if spec.batch_coupled:
        return
    given, loss = example(kind, spec.requires), _built(spec)
    halves = [rearranged(given, queries=torch.tensor(rows)) for rows in ([0, 1, 2], [3, 4])]
    whole = loss(given.scores(), given.labels)
    outs = [loss(half.scores(), half.labels) for half in halves]
    torch.testing.assert_close(torch.cat([out.per_example for out in outs]), whole.per_example)
    total, weight = sum(out.metrics["loss"][0] for out in outs), sum(out.metrics["loss"][1] for out in outs)
    torch.testing.assert_close(total / weight, whole.loss)
    merged = outs[0].metrics
    merged.merge(outs[1].metrics)
    for name, expected in whole.metrics.means().items():
        if name != "auroc":  # pairs opposites within a batch
            torch.testing.assert_close(merged.means()[name], expected, equal_nan=True, msg=f"metric {name}")


PROMISES: tuple[Promise, ...] = (
    keeps_its_vectors,
    agrees_in_single_precision,
    stays_finite_for_large_scores,
    ignores_skipped_queries,
    is_zero_when_all_is_skipped,
    ignores_the_order_of_queries,
    ignores_the_order_of_items,
    ignores_padding,
    ignores_a_constant_if_declared,
    pushes_the_winner_up,
    differentiates_right,
    adds_up_over_batches,
)


def attempts(spec: Any, options: Mapping[str, Any] | None) -> list[tuple[str, Promise, Callable[[], None]]]:
    """(name, promise, attempt) of every promise on every declared kind, with these options or the defaults."""

    def attempt(promise: Promise, kind: str) -> Callable[[], None]:
        return lambda: promise(_with(spec, chosen(spec, options)), Kind(kind))

    return [(f"{one.__name__} ({kind})", one, attempt(one, kind)) for kind in sorted(spec.kinds) for one in PROMISES]


def _with(spec: LossSpec, options: Options) -> LossSpec:
    """The same loss, built with `options` by default; vectors are of the defaults and stay with them."""
    vectors = spec.vectors if options == spec.options.model_construct() else ()
    return replace(spec, options=NoOptions, build=lambda _: spec.build(options), vectors=vectors)


def check_loss(spec: Any) -> dict[str, str]:
    """Every promise on every declared kind: "promise (kind)" -> "" if kept, else what was seen."""
    results = {}
    for kind in sorted(spec.kinds):
        for promise in PROMISES:
            try:
                promise(spec, Kind(kind))
                seen = ""
            except AssertionError as error:
                seen = str(error) or (promise.__doc__ or "")
            results[f"{promise.__name__} ({kind})"] = seen
    return results
