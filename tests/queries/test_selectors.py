"""Disagreement keeps the proposals on which the members differ most; uniform takes what is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from prefrl.options import NoOptions
from prefrl.queries.selectors import (
    Disagreement,
    Entropy,
    Uniform,
    disagree,
    disagreement,
    entropy,
    most_uncertain,
    uniform,
)
from prefrl.specs import BuildContext, Candidates
from prefrl.types import Array, EnvInfo, Segment

CONTEXT = BuildContext(run="r", name="queries", seed=0, env=EnvInfo("Toy-v0", (1,), (1,)))


def candidates(returns: Array | None, items: Array) -> Candidates:
    segments = [Segment.of(np.full((2, 1), i), np.zeros((1, 1))) for i in range(int(items.max()) + 1)]
    return Candidates(segments, items, np.empty((0, items.shape[1]), int), returns)


def test_the_chosen_spread_at_least_as_much_as_the_rest() -> None:
    rng = np.random.default_rng(0)
    returns, items = rng.normal(size=(3, 40)) * 4, rng.permutation(40).reshape(20, 2)
    chosen = Disagreement().select(candidates(returns, items), 6, rng)
    by_hand = np.array([np.std([1 / (1 + np.exp(-(r[i] - r[j]))) for r in returns]) for i, j in items])
    rows = [row for row, _ in chosen]
    assert len(set(rows)) == 6
    assert by_hand[rows].min() >= np.delete(by_hand, rows).max()
    assert list(by_hand[rows]) == sorted(by_hand[rows], reverse=True)
    assert chosen[0][1] == f"disagreement {by_hand.max():.3f}"


def test_of_a_ranking_the_pairs_are_averaged() -> None:
    returns, items = np.array([[0.0, 1.0, 5.0], [2.0, 1.0, 5.0]]), np.array([[0, 1, 2]])
    pairs = [disagreement(returns, np.array([pair])) for pair in ([0, 1], [0, 2], [1, 2])]
    assert disagreement(returns, items) == pytest.approx(np.mean(pairs))
    assert pairs[2] == 0


def test_a_single_item_is_disputed_where_members_differ_on_whether_it_is_good() -> None:
    returns = np.array([[-2.0, 3.0, 9.0], [2.0, 3.0, 11.0]])
    spread = disagreement(returns, np.array([[0], [1], [2]]))
    assert spread[0] == pytest.approx((1 / (1 + np.exp(-2)) - 1 / (1 + np.exp(2))) / 2)
    assert spread[1] == 0
    assert spread[2] < 1e-3


def test_huge_returns_do_not_overflow() -> None:
    assert disagreement(np.array([[1e6, 0.0], [-1e6, 0.0]]), np.array([[0, 1]])) == pytest.approx(0.5)


def test_before_the_first_fit_what_was_drawn_is_taken() -> None:
    items = np.arange(10).reshape(5, 2)
    assert [row for row, _ in Disagreement().select(candidates(None, items), 3, np.random.default_rng(0))] == [0, 1, 2]


def test_uniform_takes_what_was_drawn() -> None:
    items = np.arange(4).reshape(2, 2)
    assert Uniform().select(candidates(np.zeros((1, 4)), items), 5, np.random.default_rng(0)) == [
        (0, "uniform"),
        (1, "uniform"),
    ]


def test_builders() -> None:
    assert not uniform(NoOptions(), CONTEXT).informed
    assert disagree(NoOptions(), CONTEXT).informed


def test_entropy_keeps_what_the_members_can_least_tell() -> None:
    rng = np.random.default_rng(3)
    returns, items = rng.normal(size=(3, 40)) * 4, rng.permutation(40).reshape(20, 2)
    p = np.array([[1 / (1 + np.exp(-(r[i] - r[j]))) for r in returns] for i, j in items])
    by_hand = -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean(1)
    chosen = most_uncertain(NoOptions(), CONTEXT).select(candidates(returns, items), 6, rng)
    assert [row for row, _ in chosen] == np.argsort(-by_hand)[:6].tolist()
    assert chosen[0][1] == f"entropy {by_hand.max():.3f}"


def test_where_all_members_see_a_tie_entropy_is_ln_2_and_disagreement_nothing() -> None:
    returns, items = np.array([[1.0, 1.0, 1e6], [2.0, 2.0, 0.0]]), np.array([[0, 1], [0, 2], [1, 2]])
    assert entropy(returns, items[:1]) == pytest.approx(np.log(2))
    assert disagreement(returns, items[:1]) == 0
    assert entropy(returns[:1], items[1:]) == pytest.approx(0)
    assert entropy(returns, np.array([[0, 1, 2]])) == pytest.approx(entropy(returns, items).mean())


def test_entropy_takes_what_was_drawn_before_the_first_fit() -> None:
    items = np.arange(10).reshape(5, 2)
    assert [row for row, _ in Entropy().select(candidates(None, items), 3, np.random.default_rng(0))] == [0, 1, 2]
