"""Votes come from models that never saw the answer; flips, soft labels and margins by them are those of Secrets II."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from prefrl.errors import ConfigError
from prefrl.filters.options import VotesOptions
from prefrl.filters.votes import Votes
from prefrl.losses import Kind, Labels, Scores
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build
from prefrl.specs import BuildContext, FilterContext
from prefrl.types import EnvInfo

CONTEXT = BuildContext(run="run", name="votes", seed=0, env=EnvInfo("Toy-v0", (1,), (1,)))
STRENGTHS = torch.tensor(
    [[0.9, -0.2, 0.05], [1.1, -0.6, -0.1], [0.7, -0.3, 0.2], [1.3, -0.5, 0.05]]
).T  # (3 pairs, 4 voters)


class Refits:
    """Members whose score of a pair is how many answers they were fitted to, and who must not have seen it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked: list[list[int]] = []

    def __call__(self, rows: Tensor) -> Tensor:
        self.asked.append(rows.tolist())
        scores = torch.zeros(2, self.size, 2)
        scores[0, :, 0], scores[1, :, 0] = len(rows), -1.0
        scores[:, rows, 0] = 1e6  # what a member saw, it explains; no such vote may come back
        return scores


def voted(size: int, folds: int, held_out: tuple[int, ...] = ()) -> tuple[Labels, Refits]:
    training = torch.ones(size, dtype=torch.bool)
    training[list(held_out)] = False
    refits = Refits(size)
    context = FilterContext(build(BradleyTerryOptions()), torch.zeros(2, size, 2), training, refits)
    labels = Labels(Kind.PAIR, pref=torch.arange(size) % 2.0)
    return Votes(VotesOptions(folds=folds), CONTEXT).apply(labels, context), refits


def test_each_answer_is_voted_on_by_members_fitted_without_it() -> None:
    out, refits = voted(12, 3)
    assert len(refits.asked) == 3
    assert out.votes is not None
    assert out.votes.tolist() == [[8.0, -1.0]] * 12
    assert sorted(row for rows in refits.asked for row in rows) == sorted([*range(12)] * 2)


def test_what_is_held_out_is_never_fitted_and_voted_on_by_all() -> None:
    out, refits = voted(14, 3, held_out=(0, 5))
    assert not any({0, 5} & set(rows) for rows in refits.asked)
    assert out.votes is not None
    assert out.votes[[0, 5]].tolist() == [[8.0, -1.0]] * 2


def test_of_too_few_answers_every_vote_agrees() -> None:
    out, refits = voted(5, 3)
    assert refits.asked == []
    assert out.votes is not None
    assert torch.sigmoid(out.votes[:, 0]).tolist() == pytest.approx([0.01, 0.99] * 2 + [0.01])


def test_rankings_are_not_voted_on() -> None:
    context = FilterContext(
        build(BradleyTerryOptions()), torch.zeros(1, 1, 3), torch.ones(1, dtype=torch.bool), Refits(1)
    )
    with pytest.raises(ConfigError, match="votes are cast on answers about pairs, and these are of kind 'ranking'"):
        Votes(VotesOptions(), CONTEXT).apply(Labels(Kind.RANK, rank=torch.tensor([[0, 1, 2]])), context)


@pytest.mark.parametrize(
    ("label_tf", "expected"),
    [
        (["flip_by_votes"], 0.640744),
        (["margin_from_votes"], 0.602827),
        (["soft_from_votes"], 0.699932),
        (["flip_by_votes", "margin_from_votes"], 0.902827),
    ],
)
def test_the_numbers_of_the_specification(label_tf: list[str], expected: float) -> None:
    """Strengths of three pairs by four voters: means 1, -0.4, 0.05; a model that is half a point for each answer."""
    assert STRENGTHS.mean(1).tolist() == pytest.approx([1.0, -0.4, 0.05])
    assert STRENGTHS.std(1, correction=0).tolist() == pytest.approx([0.223607, 0.158114, 0.106066], abs=1e-6)
    loss = build(BradleyTerryOptions.model_validate({"label_tf": label_tf}))
    labels = Labels(Kind.PAIR, pref=torch.ones(3), votes=STRENGTHS)
    scores = Scores(s=torch.tensor([[0.5, 0.0]]).repeat(3, 1), mask=torch.ones(3, 2, dtype=torch.bool))
    assert float(loss(scores, labels).loss) == pytest.approx(expected, abs=1e-6)
    assert math.isclose(np.mean([1.0, -0.4, 0.05]), float(STRENGTHS.mean()), abs_tol=1e-6)
