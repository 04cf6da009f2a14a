"""Who is how often wrong is learned from agreement and from a reward that never saw the answers; what is then true replaces them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from prefrl.errors import ConfigError
from prefrl.filters.options import ReliabilityOptions
from prefrl.filters.reliability import Crowd, Reliability, Said, estimated
from prefrl.losses import Kind, Labels
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build
from prefrl.specs import BuildContext, FilterContext
from prefrl.types import EnvInfo

CONTEXT = BuildContext(run="run", name="reliability", seed=0, env=EnvInfo("Toy-v0", (1,), (1,)))
WRONG = {"careful": 0.01, "hasty": 0.2, "guessing": 0.5}


class Asked:
    """Q questions whose first clip is ahead by `ahead`, each answered by all three sources."""

    def __init__(self, questions: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.ahead = torch.tensor(rng.normal(size=questions))
        truth = rng.random(questions) < torch.sigmoid(3 * self.ahead).numpy()
        flipped = np.stack([rng.random(questions) < wrong for wrong in WRONG.values()], 1)
        first = (truth[:, None] ^ flipped).astype(float)
        self.truth = torch.tensor(truth, dtype=torch.float64)
        self.pref = torch.tensor(first.flatten(), dtype=torch.float32)
        self.questions = [f"q{i}" for i in range(questions) for _ in WRONG]
        self.annotators = list(WRONG) * questions

    @property
    def said(self) -> Said:
        n = len(self.pref)
        return Said(torch.arange(n) // 3, torch.arange(n) % 3, self.pref.double(), torch.ones(n, dtype=torch.float64))

    def context(self, training: Tensor | None = None) -> tuple[FilterContext, list[list[int]]]:
        """One member that knows the reward; and the rows it was fitted to each time."""
        seen: list[list[int]] = []

        def refit(rows: Tensor, labels: Labels | None = None) -> Tensor:
            seen.append(rows.tolist())
            ahead = self.ahead.repeat_interleave(3).float()
            return torch.stack([ahead, torch.zeros_like(ahead)], 1).unsqueeze(0)

        size = len(self.pref)
        training = torch.ones(size, dtype=torch.bool) if training is None else training
        loss, scores = build(BradleyTerryOptions()), torch.zeros(1, size, 2)
        return FilterContext(loss, scores, training, refit, self.questions, self.annotators), seen


def crowd(asked: Asked, ahead: Tensor) -> Crowd:
    return estimated(asked.said, ahead, torch.full((3,), 0.2), 0.2, 4.0)


def filtering(**options: Any) -> Reliability:
    return Reliability(ReliabilityOptions(**options), CONTEXT)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_ones_share_of_wrong_answers_is_found(seed: int) -> None:
    asked = Asked(400, seed)
    found = crowd(asked, asked.ahead)
    wrong = (asked.pref.view(-1, 3) != asked.truth.unsqueeze(1)).double().mean(0)
    assert found.error.tolist() == pytest.approx(wrong.tolist(), abs=0.05)
    assert ((found.truth > 0.5) == (asked.truth > 0.5)).double().mean() > 0.97
    assert found.slope == pytest.approx(3.0, rel=0.35)


def test_a_reward_that_knows_nothing_is_not_believed() -> None:
    asked = Asked(400, 0)
    shuffled = asked.ahead[torch.randperm(400, generator=torch.Generator().manual_seed(0))]
    assert crowd(asked, shuffled).slope < 0.3


def test_somebody_who_always_says_the_opposite_is_heard_the_other_way_round() -> None:
    asked = Asked(300, 0)
    asked.pref[2::3] = 1 - asked.truth.float()
    found = crowd(asked, asked.ahead)
    assert found.error[2] > 0.9
    assert ((found.truth > 0.5) == (asked.truth > 0.5)).double().mean() > 0.97


def test_answers_become_the_truth_of_their_question_and_weigh_one_together() -> None:
    asked = Asked(100, 3)
    context, seen = asked.context()
    made = filtering(folds=4, passes=1).apply(Labels(Kind.PAIR, pref=asked.pref), context)
    assert made.pref is not None
    assert made.weight is not None
    together = made.pref.view(100, 3)
    assert (together == together[:, :1]).all()
    assert ((together[:, 0] > 0.5) == (asked.truth > 0.5)).float().mean() > 0.95
    assert made.weight.view(100, 3).sum(1).tolist() == pytest.approx([1.0] * 100)
    assert len(seen) == 4
    for rows in seen:  # a question is left out with all its answers
        assert len({row // 3 for row in rows}) * 3 == len(rows) == 225


def test_ties_stay_ties_and_what_is_held_out_counts_for_nothing() -> None:
    asked = Asked(100, 4)
    training = torch.arange(300) >= 60
    asked.pref[:60] = 1 - asked.pref[:60]
    asked.pref[90] = 0.5
    context, seen = asked.context(training)
    one = filtering()
    made = one.apply(Labels(Kind.PAIR, pref=asked.pref), context)
    assert made.pref is not None
    assert made.pref[90] == 0.5
    assert torch.equal(made.pref[:60], asked.pref[:60])
    assert all(row >= 60 for rows in seen for row in rows)
    assert one.error["careful"] < 0.07


def test_too_few_questions_are_judged_by_agreement_alone() -> None:
    asked = Asked(6, 0)
    asked.pref = torch.tensor([1.0, 1.0, 0.0] * 6)
    context, seen = asked.context()
    one = filtering()
    made = one.apply(Labels(Kind.PAIR, pref=asked.pref), context)
    assert seen == []
    assert made.pref is not None
    assert (made.pref > 0.5).all()
    assert one.error["guessing"] > one.error["careful"]


def test_what_was_learned_is_reported_by_source_and_by_annotator_and_kept() -> None:
    asked = Asked(100, 0)
    asked.annotators = ["people/ann", "people/bob", "oracle"] * 100
    context, _ = asked.context()
    one = filtering()
    one.apply(Labels(Kind.PAIR, pref=asked.pref), context)
    found = one.metrics()
    assert set(found) == {
        "reliability/people", "reliability/people/ann", "reliability/people/bob", "reliability/oracle",
    }  # fmt: skip
    assert found["reliability/people"] == pytest.approx(
        (found["reliability/people/ann"] + found["reliability/people/bob"]) / 2
    )
    other = filtering()
    other.load_state_dict(one.state_dict())
    assert other.metrics() == found


def test_a_weight_of_a_source_stays() -> None:
    asked = Asked(50, 0)
    context, _ = asked.context()
    weight = torch.tensor([2.0, 1.0, 0.0]).repeat(50)
    one = filtering()
    made = one.apply(Labels(Kind.PAIR, pref=asked.pref, weight=weight), context)
    assert made.weight is not None
    assert made.weight.view(50, 3)[0].tolist() == [1.0, 0.5, 0.0]
    assert set(one.error) == {"careful", "hasty"}


def test_only_pairs() -> None:
    context, _ = Asked(2, 0).context()
    with pytest.raises(ConfigError, match="answers about pairs"):
        filtering().apply(Labels(Kind.RANK, rank=torch.zeros(6, 3, dtype=torch.long)), context)
