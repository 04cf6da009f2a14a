"""The trainer learns what the answers say, from the answers it may see and within the limits it is set."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from prefrl.augment import Crop
from prefrl.builtin import prefrl_register_losses
from prefrl.errors import ConfigError
from prefrl.fit import Answers, Trainer, gather, share_of
from prefrl.losses import Labels, PrefLoss, Scores, build_loss
from prefrl.rewards.batch import SegmentBatch
from prefrl.rewards.ensemble import Ensemble
from prefrl.rewards.options import CropOptions, EnsembleOptions
from prefrl.settings import FitSettings
from prefrl.specs import BuildContext, FilterContext
from prefrl.types import Answer, Binary, Choice, EnvInfo, Grades, Preference, Query, Segment, Tiers

ENV = EnvInfo("Toy-v0", (2,), (1,))
CONTEXT = BuildContext(run="run", name="reward", seed=0, env=ENV)
TRUE = np.array([1.0, -2.0])  # the weights of the reward that the answers follow
LOSSES = {spec.name: spec for spec in prefrl_register_losses()}
FIRST, SECOND, TIE = Tiers(((0,), (1,))), Tiers(((1,), (0,))), Tiers(((0, 1),))


def loss(name: str = "bradley_terry", **options: Any) -> PrefLoss:
    return build_loss([(1.0, name, LOSSES[name].options(**options))], LOSSES)


def segment(rng: np.random.Generator, steps: int = 5) -> Segment:
    return Segment.of(rng.normal(size=(steps + 1, 2)), np.zeros((steps, 1)))


def value(piece: Any) -> float:
    return float((piece.obs[:-1] @ TRUE).sum())


def better(items: Sequence[Any]) -> Answer:
    order = np.argsort([-value(item) for item in items])
    return Tiers(tuple((int(i),) for i in order))


Made = tuple[list[Preference], dict[str, Query]]


def answered(
    n: int, *, k: int = 2, seed: int = 0, steps: int = 5, say: Callable[..., Answer | None] = better, **rest: Any
) -> Made:
    rng = np.random.default_rng(seed)
    kind: Any = "pair" if k == 2 else "ranking"
    queries = [Query.of("run", i, [segment(rng, steps) for _ in range(k)], kind=kind) for i in range(n)]
    return [Preference.of(q, say(q.items), source="oracle", **rest) for q in queries], {q.id: q for q in queries}


def joined(*made: Made) -> Made:
    return [p for preferences, _ in made for p in preferences], {
        i: q for _, queries in made for i, q in queries.items()
    }


def linear(members: int = 1) -> Ensemble:
    return Ensemble(EnsembleOptions(members=members, hidden=(), output="linear"), CONTEXT)


def trainer(
    reward: Ensemble,
    *,
    objective: PrefLoss | None = None,
    augment: Sequence[Any] = (),
    filters: Sequence[Any] = (),
    seed: int = 0,
    **settings: Any,
) -> Trainer:
    fit = FitSettings(**{"epochs": 5, "learning_rate": 0.05, "stop_accuracy": 1.0, "validation": 0.2} | settings)
    return Trainer(reward, objective or loss(), fit, augment, filters, seed)


def tensors(made: Made, reward: Ensemble, validation: float = 0.2, weights: dict[str, float] | None = None) -> Answers:
    return gather(*made, weights or {}, reward, validation)


def parameters(reward: Ensemble) -> list[list[float]]:
    return [p.detach().flatten().tolist() for member in reward.scorers() for p in member.parameters()]


# --- what the answers become ----------------------------------------------------------------------------------------


def test_every_item_is_collated_once() -> None:
    made = answered(4)
    first = next(iter(made[1].values()))
    again = Query.of("run", 99, [first.items[1], first.items[0]])
    made[0].append(Preference.of(again, FIRST, source="oracle"))
    made[1][again.id] = again
    answers = tensors(made, linear())
    assert len(answers) == 5
    assert answers.batch.inputs.shape[0] == 8
    (part,) = answers.parts
    assert part.index[-1].tolist() == [1, 0]


def test_who_is_held_out_depends_on_the_query_alone() -> None:
    made = answered(2000, steps=1)
    held = tensors(made, linear()).parts[0].held_out
    assert float(held.float().mean()) == pytest.approx(0.2, abs=0.03)
    assert held.tolist() == [share_of(p.query_id) < 0.2 for p in made[0]]
    backwards = tensors((made[0][::-1], made[1]), linear()).parts[0].held_out
    assert backwards.tolist() == held.tolist()[::-1]
    assert not tensors(made, linear(), validation=0.0).parts[0].held_out.any()


def test_skips_teach_nothing_whatever_the_loss() -> None:
    """A skip has no kind of its own; a loss of thumbs must not be asked to take it."""

    def thumb(items: Sequence[Any]) -> Answer:
        return Binary((float(value(items[0]) > 0),))

    thumbs = answered(20, k=1, say=thumb)
    skipped = answered(3, k=1, seed=9, say=lambda items: None)
    reward = linear()
    answers = tensors(joined(thumbs, skipped), reward)
    assert len(answers) == 20
    fit = trainer(reward, objective=loss("bce"), epochs=20, learning_rate=0.2).fit(answers, 1, 0)
    assert fit.preferences == 20
    assert fit.accuracy > 0.9


def test_the_weight_of_a_source_is_the_weight_of_its_answers() -> None:
    right = answered(60)
    wrong = answered(
        60, say=lambda items: better(items[::-1])
    )  # the same items, answered the other way by someone else
    both = joined(right, ([Preference.of(wrong[1][p.query_id], p.answer, source="liar") for p in wrong[0]], wrong[1]))
    for weight, expected in ((0.0, 1.0), (50.0, 0.0)):
        reward = linear()
        answers = tensors(both, reward, 0.0, {"oracle": 1.0, "liar": weight})
        trainer(reward, epochs=60).fit(answers, 1, 0)
        assert trainer(reward).measure(tensors(right, reward, 0.0), held_out=False)["acc"] == pytest.approx(
            expected, abs=0.1
        )


# --- what is learned ------------------------------------------------------------------------------------------------


def cosine(reward: Ensemble) -> float:
    weights = reward.scorers()[0].net[0].weight.detach().numpy()[0, :2]  # type: ignore[operator,union-attr]
    return float(weights @ TRUE / np.linalg.norm(weights) / np.linalg.norm(TRUE))


@pytest.mark.parametrize(
    ("settings", "augment"),
    [
        ({}, []),
        ({"steps": 2, "epochs": 40}, []),
        ({"epochs": 40, "max_grad_norm": 1.0, "weight_decay": 0.01}, [Crop(CropOptions(steps=1), CONTEXT)]),
    ],
)
def test_a_linear_reward_is_recovered(settings: dict[str, Any], augment: list[Any]) -> None:
    reward = linear()
    fit = trainer(reward, augment=augment, **{"epochs": 25} | settings).fit(tensors(answered(300), reward), 3, 700)
    assert cosine(reward) > 0.98
    assert fit.val_accuracy > 0.95
    assert fit.accuracy > 0.95
    assert (fit.round, fit.step, fit.preferences, fit.version) == (3, 700, 300, 1)
    assert fit.metrics["val_acc"] == fit.val_accuracy
    assert fit.loss < 0.5 < math.log(2)


def test_rankings_of_four_are_learned_from() -> None:
    for name in ("bradley_terry", "plackett_luce"):
        reward = linear()
        fit = trainer(reward, objective=loss(name), epochs=25).fit(tensors(answered(80, k=4), reward), 1, 0)
        assert cosine(reward) > 0.95, name
        assert fit.preferences == 80


def test_kinds_of_answers_mix() -> None:
    rng = np.random.default_rng(5)
    choices = [Query.of("run", 1000 + i, [segment(rng) for _ in range(3)], kind="choice") for i in range(40)]
    grades = [Query.of("run", 2000 + i, [segment(rng) for _ in range(3)], kind="grade") for i in range(40)]
    picked = [Preference.of(q, Choice(int(np.argmax([value(s) for s in q.items]))), source="oracle") for q in choices]
    graded = [Preference.of(q, Grades(tuple(value(s) for s in q.items)), source="oracle") for q in grades]
    mixed = joined(
        answered(40), answered(20, k=4, seed=1), answered(10, k=3, seed=2), answered(10, seed=3, say=lambda items: TIE),
        (picked, {q.id: q for q in choices}), (graded, {q.id: q for q in grades}),
    )  # fmt: skip
    reward = linear()
    answers = tensors(mixed, reward)
    assert len(answers) == 160
    assert len(answers.parts) == 4  # pairs with their ties, rankings of three and four, choices, grades
    fit = trainer(reward, epochs=25, batch_size=16).fit(answers, 1, 0)
    assert cosine(reward) > 0.95
    assert fit.val_accuracy > 0.9


def test_ties_draw_returns_together() -> None:
    made = answered(1, say=lambda items: TIE)
    reward = linear()
    items = next(iter(made[1].values())).items
    before = np.ptp(reward.returns(items))
    trainer(reward, epochs=60, validation=0.0).fit(tensors(made, reward, 0.0), 1, 0)
    assert np.ptp(reward.returns(items)) < before / 5


def test_clips_of_unequal_length_are_compared_by_their_sums() -> None:
    rng = np.random.default_rng(0)
    queries = [Query.of("run", i, [segment(rng, 3), segment(rng, 6)]) for i in range(150)]
    made = [Preference.of(q, better(q.items), source="oracle") for q in queries], {q.id: q for q in queries}
    reward = linear()
    trainer(reward, epochs=30).fit(tensors(made, reward), 1, 0)
    assert cosine(reward) > 0.97


def test_held_out_answers_never_train() -> None:
    made = answered(60)
    results = []
    for lie in (False, True):
        preferences = [
            Preference.of(made[1][p.query_id], better(made[1][p.query_id].items[::-1]), source="oracle")
            if lie and share_of(p.query_id) < 0.2 else p
            for p in made[0]
        ]  # fmt: skip
        reward = linear(2)
        fit = trainer(reward, epochs=20).fit(tensors((preferences, made[1]), reward), 1, 0)
        results.append((parameters(reward), fit.val_accuracy, fit.accuracy))
    assert results[0][0] == results[1][0]
    assert results[0][1] > 0.8
    assert results[1][1] == pytest.approx(1 - results[0][1])
    assert results[0][2] == results[1][2]


def test_members_see_their_batches_in_different_orders_and_the_seed_decides_all() -> None:
    made = answered(50)

    def fitted(seed: int) -> list[list[float]]:
        torch.manual_seed(np.random.default_rng().integers(1000))  # nothing global matters
        reward = linear(2)
        trainer(reward, seed=seed, batch_size=8).fit(tensors(made, reward), 1, 0)
        return parameters(reward)

    assert fitted(0) == fitted(0)
    assert fitted(0) != fitted(1)


# --- within limits --------------------------------------------------------------------------------------------------


class Counted(PrefLoss):
    """Bradley-Terry that counts how often it was trained with."""

    kinds = loss().kinds

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.trained, self.batches = loss(), 0, []

    def evaluate(self, scores: Scores, labels: Labels) -> Any:
        if torch.is_grad_enabled():
            self.trained += 1
            self.batches.append(len(labels))
        return self.inner.evaluate(scores, labels)


def test_updates_bound_the_gradient_steps_of_each_member() -> None:
    reward, counted = linear(3), Counted()
    made = tensors(answered(50), reward, 0.0)
    fit = trainer(reward, objective=counted, updates=7, batch_size=10, epochs=100).fit(made, 1, 0)
    assert counted.trained == 3 * 7
    assert fit.epochs == 2  # five batches each


def test_epochs_bound_the_passes_over_the_answers() -> None:
    reward, counted = linear(), Counted()
    fit = trainer(reward, objective=counted, epochs=3, batch_size=16, learning_rate=1e-6).fit(
        tensors(answered(50), reward, 0.0), 1, 0
    )
    assert counted.batches == [16, 16, 16, 2] * 3
    assert fit.epochs == 3


def test_it_stops_when_the_answers_are_explained() -> None:
    for stop, most in ((0.9, 30), (1.0, 200)):
        reward = linear()
        fit = trainer(reward, epochs=200, stop_accuracy=stop).fit(tensors(answered(100), reward), 1, 0)
        assert fit.epochs < most, stop
        assert fit.accuracy >= stop - 0.05


def random_answers(items: Sequence[Any]) -> Answer:
    return FIRST if int(items[0].id[:8], 16) % 2 else SECOND


def test_it_stops_when_held_out_answers_are_explained_no_better() -> None:
    made = answered(60, say=random_answers)  # nothing to learn
    reward = Ensemble(EnsembleOptions(members=1, hidden=(32,), output="linear"), CONTEXT)
    settings = {"epochs": 60, "learning_rate": 0.01}
    assert trainer(reward, patience=3, **settings).fit(tensors(made, reward), 1, 0).epochs < 40
    reward.reset()
    assert trainer(reward, **settings, stop_accuracy=1.0).fit(tensors(made, reward), 1, 0).epochs == 60


def test_patience_without_held_out_answers_does_not_stop() -> None:
    reward = linear()
    answers = tensors(answered(30, say=random_answers), reward, 0.0)
    assert trainer(reward, patience=1, epochs=9, learning_rate=1e-6).fit(answers, 1, 0).epochs == 9


def test_too_few_answers_to_hold_one_out_give_nan() -> None:
    reward = linear()
    fit = trainer(reward).fit(tensors(answered(3), reward, 0.0), 1, 0)
    assert math.isnan(fit.val_accuracy)
    assert not math.isnan(fit.loss)


def test_fits_go_on_from_the_last_or_begin_anew() -> None:
    made = answered(50)
    for reset in (False, True):
        reward = linear()
        fitting = trainer(reward, epochs=1, reset=reset, learning_rate=1e-9)
        answers = tensors(made, reward)
        before = np.concatenate(parameters(reward))
        fitting.fit(answers, 1, 0)
        fitting.fit(answers, 2, 0)
        assert np.allclose(np.concatenate(parameters(reward)), before, atol=1e-6) != reset
        assert reward.version == 2


def test_fresh_weights_are_the_ones_that_are_fitted() -> None:
    reward = linear()
    fitting = trainer(reward, epochs=25, reset=True)
    for round in (1, 2):
        fit = fitting.fit(tensors(answered(100), reward), round, 0)
        assert fit.val_accuracy > 0.95


# --- steps and windows ----------------------------------------------------------------------------------------------


class Spy:
    """A scorer that remembers which steps it was shown."""

    def __init__(self) -> None:
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def parameters(self) -> list[torch.nn.Parameter]:
        return [self.weight]

    def score(self, batch: SegmentBatch, index: Tensor, steps: Tensor, scale: Tensor) -> Scores:
        if torch.is_grad_enabled():
            self.seen.append((index, steps, scale))
        inputs, mask = batch.at(index, steps)
        total = (inputs[..., 0] * mask).sum(-1) * scale
        return Scores(s=total * (1 + self.weight), mask=index >= 0)


def tied(items: Sequence[Any]) -> Answer:
    """Never explained, so that no fit stops early."""
    return TIE


def spied(made: Made, augment: Sequence[Any] = (), **settings: Any) -> tuple[Spy, Answers]:
    spy, shape = Spy(), linear()
    reward: Any = SimpleNamespace(scorers=lambda: [spy], fitted=lambda: None, version=1)
    answers = tensors(made, shape, 0.0)
    trainer(reward, augment=augment, batch_size=1000, **settings).fit(answers, 1, 0)
    return spy, answers


def test_all_steps_of_a_clip_are_summed_once() -> None:
    spy, _ = spied(joined(answered(3, steps=4), answered(3, steps=6, seed=1)), epochs=1)
    index, steps, scale = spy.seen[0]
    assert (scale == 1).all()
    for row in range(len(index)):
        length = 4 if (steps[row, 0] == -1).any() else 6
        assert steps[row].tolist() == [[*range(length), *[-1] * (6 - length)]] * 2


def test_a_sample_of_steps_estimates_the_sum_without_bias() -> None:
    """Also where sample and length do not divide, and where clips differ in length."""
    items = [item for steps in (7, 5) for q in answered(1, steps=steps)[1].values() for item in q.items]
    queries = [Query.of("run", i, items[half : half + 2]) for i in range(500) for half in (0, 2)]
    made = [Preference.of(q, TIE, source="oracle") for q in queries], {q.id: q for q in queries}
    spy, answers = spied(made, steps=3, epochs=4, learning_rate=1e-9)
    sums: dict[int, list[float]] = {}
    for index, steps, scale in spy.seen:
        assert steps.shape[-1] == 3
        inputs, mask = answers.batch.at(index, steps)
        assert mask.all()
        for i, total in zip(
            index.flatten().tolist(), ((inputs[..., 0]).sum(-1) * scale).flatten().tolist(), strict=True
        ):
            sums.setdefault(i, []).append(total)
    whole = answers.batch.inputs[..., 0].sum(-1).tolist()  # padding is zero
    assert len(sums) == 4
    for i, estimates in sums.items():
        assert np.mean(estimates) == pytest.approx(whole[i], abs=4 * np.std(estimates) / math.sqrt(len(estimates)))
        assert np.std(estimates) > 0


def test_more_steps_than_there_are_means_all() -> None:
    spy, _ = spied(answered(3, steps=4), steps=9, epochs=1)
    assert spy.seen[0][1][0].tolist() == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize("sample", [None, 2])
def test_crops_stay_inside_their_clips(sample: int | None) -> None:
    crop = Crop(CropOptions(steps=2), CONTEXT)
    spy, _ = spied(answered(50, steps=8, say=tied), augment=[crop, crop], steps=sample, epochs=20)
    lengths = set()
    for _, steps, scale in spy.seen:
        assert int(steps.max()) < 8
        assert (steps >= 0).any(-1).all()
        if sample is None:
            taken = (steps >= 0).sum(-1)
            assert (taken[:, 0] == taken[:, 1]).all()
            lengths |= set(taken.flatten().tolist())
            gaps = torch.diff(steps, dim=-1)
            assert ((gaps == 1) | (steps[..., 1:] == -1)).all()  # a window has no holes
        else:
            assert ((scale * sample) <= 8).all()
    assert sample is not None or lengths == set(range(1, 9))  # two crops of up to 4 steps, one step left


def test_measuring_reads_whole_clips() -> None:
    made = answered(20)
    reward = linear()
    crop = Crop(CropOptions(steps=2), CONTEXT)
    fitting = trainer(reward, augment=[crop], steps=2, epochs=1)
    answers = tensors(made, reward)
    assert fitting.measure(answers, held_out=False) == trainer(reward).measure(answers, held_out=False)


# --- filters, calibration, state ------------------------------------------------------------------------------------


class Flip:
    """A label filter that turns every answer round, and remembers what it was shown."""

    looks = 0

    def apply(self, labels: Labels, context: FilterContext) -> Labels:
        self.shape, self.loss = context.scores.shape, context.loss
        self.looks += 1
        assert labels.pref is not None
        return Labels(labels.kind, pref=1 - labels.pref, weight=labels.weight)

    def state_dict(self) -> dict[str, Any]:
        return {"looks": self.looks}

    def load_state_dict(self, state: Any) -> None:
        self.looks = state["looks"]


def test_filters_change_the_labels_of_a_fit_and_see_all_members() -> None:
    flip, reward, objective = Flip(), linear(3), loss()
    trainer(reward, objective=objective, filters=[flip], epochs=25).fit(tensors(answered(100), reward), 1, 0)
    assert cosine(reward) < -0.95
    assert flip.shape == (3, 100, 2)
    assert flip.loss is objective


def test_what_is_held_out_is_measured_as_it_was_given() -> None:
    """All training answers are turned round, so the model is wrong about what people said."""
    reward = linear()
    fit = trainer(reward, filters=[Flip()], epochs=25, validation=0.3).fit(tensors(answered(200), reward, 0.3), 1, 0)
    assert fit.accuracy > 0.95  # of what it was taught
    assert fit.val_accuracy < 0.05
    assert fit.metrics["frac_turned"] == 1.0
    assert fit.metrics["frac_distrusted"] == 0.0


def test_filters_look_again_as_often_as_told_and_their_state_is_kept() -> None:
    for refilter, looks in ((None, 1), (1, 6), (4, 2)):
        flip, reward = Flip(), linear(2)
        fitting = trainer(reward, filters=[flip], epochs=6, refilter=refilter)
        fit = fitting.fit(tensors(answered(40, say=lambda items: FIRST), reward), 1, 0)  # never explained: all epochs
        assert (flip.looks, fit.epochs) == (looks, 6)
        again = Flip()
        trainer(linear(2), filters=[again]).load_state_dict(deepcopy(fitting.state_dict()))
        assert again.looks == looks


def test_without_filters_looking_again_changes_nothing() -> None:
    fitted = []
    for refilter in (None, 2):
        reward = linear(2)
        trainer(reward, epochs=5, batch_size=8, refilter=refilter).fit(tensors(answered(40), reward), 1, 0)
        fitted.append(parameters(reward))
    assert fitted[0] == fitted[1]


class Spread:
    """A filter that asks for a fit without the first answers, and keeps what comes back."""

    def apply(self, labels: Labels, context: FilterContext) -> Labels:
        self.now, self.without = context.scores, context.refit(torch.arange(20, len(labels)))
        return labels

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Any) -> None: ...


def test_a_filter_may_have_fresh_members_fitted_to_some_answers() -> None:
    good, bad = answered(60), answered(20, seed=1, say=lambda items: better(items[::-1]))
    made = joined(bad, good)
    answers = tensors(made, linear(2), 0.0)
    spread, reward = Spread(), linear(2)
    trainer(reward, filters=[spread], epochs=40, validation=0.0).fit(answers, 1, 0)
    assert spread.without.shape == spread.now.shape == (2, 80, 2)
    said = torch.tensor([p.answer == FIRST for p in made[0]])
    agreed = (spread.without[..., 0] > spread.without[..., 1]) == said
    assert agreed[:, 20:].float().mean() > 0.95
    assert agreed[:, :20].float().mean() < 0.1  # never seen, so the wrong answers are not learned by heart


def test_calibration_compares_what_was_predicted_with_what_was_said() -> None:
    made = answered(400)
    reward = linear()
    answers = tensors(made, reward, 0.5)
    fitting = trainer(reward, epochs=20)
    fitting.fit(answers, 1, 0)
    found = fitting.calibration(answers)
    held = int(answers.parts[0].held_out.sum())
    assert found["n"] == held == sum(n for *_, n in found["bins"]) / 2  # each pair counts both ways round
    returns = reward.returns([item for q in made[1].values() for item in q.items]).mean(0).reshape(-1, 2)
    p = 1 / (1 + np.exp(returns[:, 1] - returns[:, 0]))
    said = np.array([value(q.items[0]) > value(q.items[1]) for q in made[1].values()])
    p, said = np.concatenate([p, 1 - p]), np.concatenate([said, ~said])
    mine = np.tile(answers.parts[0].held_out.numpy(), 2)
    low = mine & (p < 0.1)
    assert found["bins"][0] == pytest.approx([p[low].mean(), said[low].mean(), low.sum()], abs=1e-4)
    gaps = sum(abs(mean - share) * n for mean, share, n in found["bins"]) / (2 * held)
    assert found["ece"] == pytest.approx(gaps)


def test_calibration_counts_what_was_said_only() -> None:
    """Of rankings, pairs in which an item was not ranked say nothing."""
    made = joined(answered(20, k=3, say=lambda items: FIRST), answered(10, k=3, seed=1))
    reward = linear()
    found = trainer(reward).calibration(tensors(made, reward, 0.999999))
    assert found["n"] == 20 * 1 + 10 * 3


def test_calibration_without_held_out_answers_is_empty() -> None:
    reward = linear()
    found = trainer(reward).calibration(tensors(answered(5), reward, 0.0))
    assert (found["bins"], found["n"]) == ([], 0)
    assert math.isnan(found["ece"])


def test_the_loss_of_weighted_answers_is_their_weighted_mean() -> None:
    made = joined(answered(10), answered(10, seed=1, say=lambda items: better(items[::-1])))
    preferences = [Preference.of(made[1][p.query_id], p.answer, source="ab"[i >= 10]) for i, p in enumerate(made[0])]
    reward = linear()
    parts = [
        trainer(reward).measure(tensors((preferences[rows], made[1]), reward, 0.0), held_out=False)["loss"]
        for rows in (slice(0, 10), slice(10, 20))
    ]
    both = trainer(reward).measure(tensors((preferences, made[1]), reward, 0.0, {"a": 3.0, "b": 1.0}), held_out=False)
    assert both["loss"] == pytest.approx((3 * parts[0] + parts[1]) / 4, rel=1e-5)


def test_a_saved_trainer_goes_on_the_same() -> None:
    made = answered(60)
    one = linear()
    fitting = trainer(one, batch_size=8, epochs=2)
    answers = tensors(made, one)
    fitting.fit(answers, 1, 0)
    other = linear()
    other.load_state_dict(one.state_dict())
    resumed = trainer(other, batch_size=8, epochs=2, seed=5)
    resumed.load_state_dict(deepcopy(fitting.state_dict()))
    fitting.fit(answers, 2, 0)
    resumed.fit(answers, 2, 0)
    assert parameters(one) == parameters(other)


def test_a_loss_that_cannot_take_an_answer_says_so() -> None:
    reward = linear()
    with pytest.raises(ConfigError, match="loss 'bce' cannot use answers of kind 'pair'"):
        trainer(reward, objective=loss("bce")).fit(tensors(answered(5), reward), 1, 0)
