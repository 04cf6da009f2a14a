"""What cannot work is refused while a run is put together, before anything is stepped or trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

import pytest
import torch

from prefrl.errors import ConfigError
from prefrl.losses import Kind, LossOut, PrefLoss, Scores
from prefrl.specs import AskContext, LossSpec, NoOptions, Options, SourceSpec, hookimpl
from prefrl.types import Grades, Preference, Query

Train = Callable[..., Any]


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        ("bce", r"loss 'bce' cannot use answers of kind 'pair' \(it takes binary\): choose a loss made for them"),
        ("dpo", r"loss 'dpo' needs ref_logp beside the scores, and this scorer gives times: use a learner that"),
        ("[bradley_terry, nll]", r"loss 'bradley_terry \+ nll' needs length, nll beside the scores"),
    ],
)
def test_a_loss_that_cannot_be_used_is_one_sentence_before_any_training(train: Train, loss: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        train("refused", f"reward.loss={loss}", execute=False)


def test_the_answers_that_are_stored_count_too(train: Train) -> None:
    first = train("shared")
    store = f"sqlite:///{first.folder.parent}/prefrl.sqlite"
    with pytest.raises(ConfigError, match="loss 'bce' cannot use answers of kind 'pair'"):
        train("later", "sources={}", "store.data_set=run", f"store.url={store}", "reward.loss=bce", execute=False)


def test_a_run_without_a_model_to_fit_does_not_care_for_the_loss(train: Train) -> None:
    train("truth", "reward={model: true_reward, loss: dpo}", "sources={}", execute=False)


class Grader:
    """Answers pairs by the first observation, as grades."""

    def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
        for query in queries:
            yield Preference.of(query, Grades(tuple(float(item.obs[0, 0]) for item in query.items)), source="grader")  # type: ignore[union-attr]  # segments all


class Distance(PrefLoss):
    """A stranger's loss: |s - grade|."""

    name = "distance"
    kinds = frozenset({Kind.GRADE})

    def __init__(self, power: float) -> None:
        super().__init__()
        self.power = power

    def evaluate(self, scores: Scores, labels: Any) -> LossOut:
        weight = labels.weights(scores.s)
        total = ((scores.s - labels.grade).abs() ** self.power).sum(1) * weight
        return self.reduced(total, weight, lambda bag: bag.add("far", torch.tensor(1.0), 1.0))


class DistanceOptions(Options):
    """How far counts."""

    power: float = 1.0


def stranger(gives: Iterable[str]) -> ModuleType:
    class Stranger:
        __name__ = "stranger"

        @hookimpl
        def prefrl_register_losses(self) -> Iterable[LossSpec]:
            yield LossSpec(
                name="grade_distance", summary="to the grade", options=DistanceOptions,
                build=lambda options: Distance(options.power), kinds=frozenset({"grade"}), shift_invariant=False,
            )  # fmt: skip

        @hookimpl
        def prefrl_register_sources(self) -> Iterable[SourceSpec]:
            yield SourceSpec(
                name="grader", summary="grades", options=NoOptions, build=lambda *_: Grader(), gives=frozenset(gives)
            )

    return Stranger()  # type: ignore[return-value]  # pluggy takes any object


SMALL = ("algo.n_timesteps=256", "pretrain.steps=128", "feedback.total=4", "feedback.rounds=1")
CHOSEN = (*SMALL, "reward.loss={name: grade_distance, power: 2.0}", "sources={grader: {}}")


def test_a_strangers_loss_is_fitted_like_our_own(train: Train) -> None:
    run = train("stranger", *CHOSEN, plugins=[stranger({"grade"})])
    assert (run.folder / "fits.jsonl").read_text().count('"far": 1.0') == 1
    assert "name: grade_distance" in (run.folder / "config.yaml").read_text()


def test_a_source_whose_answers_are_of_another_kind_than_the_question_must_say_so(train: Train) -> None:
    with pytest.raises(ConfigError, match=r"loss 'grade_distance' cannot use answers of kind 'pair'"):
        train("undeclared", *CHOSEN, plugins=[stranger(())], execute=False)
