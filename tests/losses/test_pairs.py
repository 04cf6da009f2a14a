import pytest
import torch

from prefrl.losses import Kind, Labels, to_pairs


def listed(pairs):
    used = pairs.w > 0
    return sorted(zip(pairs.i[used].tolist(), pairs.j[used].tolist(), strict=True))


def everything(labels):
    return torch.ones(labels.shape, dtype=torch.bool)


def test_pairs_of_grades(v):
    pairs = to_pairs(v.graded(), everything(v.grades))
    assert listed(pairs) == [tuple(map(int, pair)) for pair in v.expected["PAIRS.grade F2 (i,j)"]]
    assert bool((pairs.p == 1).all())


def test_a_list_shares_its_weight():
    rank = torch.tensor([[0, 1, 2], [0, 1, -1]])
    labels = Labels(Kind.RANK, rank=rank, weight=torch.tensor([2.0, 5.0]))
    pairs = to_pairs(labels, everything(rank))
    assert pairs.w.view(2, -1).sum(1).tolist() == pytest.approx([2.0, 5.0])
    assert to_pairs(labels, everything(rank), pair_norm="pair").w.view(2, -1).sum(1).tolist() == [6.0, 5.0]


def test_ties_of_a_list():
    rank = torch.tensor([[0, 0, 1]])
    half = to_pairs(Labels(Kind.RANK, rank=rank), everything(rank))
    assert sorted(half.p.tolist()) == [0.5, 1.0, 1.0]
    assert half.tie[half.p == 0.5].tolist() == [1.0]
    dropped = to_pairs(Labels(Kind.RANK, rank=rank), everything(rank), tie_mode="drop")
    assert listed(dropped) == [(0, 2), (1, 2)]
    assert float(dropped.w.sum()) == pytest.approx(1.0)


def test_missing_items_make_no_pairs():
    rank = torch.tensor([[0, 1, 2]])
    mask = torch.tensor([[True, False, True]])
    assert listed(to_pairs(Labels(Kind.RANK, rank=rank), mask)) == [(0, 2)]
    pair = Labels(Kind.PAIR, pref=torch.tensor([1.0]))
    assert to_pairs(pair, torch.tensor([[True, False]])).w.tolist() == [0]


def test_a_choice_says_nothing_of_the_rest():
    rank = torch.tensor([[1, 1, 0, 1]])
    assert listed(to_pairs(Labels(Kind.CHOICE, rank=rank), everything(rank))) == [(2, 0), (2, 1), (2, 3)]


def test_an_even_probability_is_a_tie_unless_an_outcome_says_otherwise():
    pref = torch.tensor([0.5, 1.0])
    mask = torch.ones(2, 2, dtype=torch.bool)
    assert to_pairs(Labels(Kind.PAIR, pref=pref), mask).tie.tolist() == [1, 0]
    outcome = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert to_pairs(Labels(Kind.PAIR, pref=pref, outcome=outcome), mask).tie.tolist() == [0, 0]
