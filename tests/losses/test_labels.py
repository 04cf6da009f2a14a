from dataclasses import replace

import pytest
import torch

from prefrl.errors import BadAnswer, DataError
from prefrl.losses import Kind, Labels, collate, kinds_of, relevance
from prefrl.types import Binary, Choice, Grades, Preference, Tiers, Triplet


def answer(given, **rest):
    return Preference("id", "query", "source", given, outcome="skip" if given is None else "answered", **rest)


def one(given, k, **rest):
    ((kind, (labels, _)),) = collate([answer(given, **rest)], [k]).items()
    return kind, labels


@pytest.mark.parametrize(("tiers", "pref", "outcome"), [
    (((0,), (1,)), 1.0, [1, 0, 0]), (((1,), (0,)), 0.0, [0, 1, 0]), (((0, 1),), 0.5, [0, 0, 1]),
])  # fmt: skip
def test_an_order_of_two_is_a_pair(tiers, pref, outcome):
    kind, labels = one(Tiers(tiers), 2)
    assert kind is Kind.PAIR
    assert labels.pref.tolist() == [pref]
    assert labels.outcome.tolist() == [outcome]
    assert labels.weight.tolist() == [1]


def test_an_order_of_more_is_a_ranking():
    kind, labels = one(Tiers(((2,), (0, 1))), 4)
    assert kind is Kind.RANK
    assert labels.rank.tolist() == [[1, 1, 0, -1]]


def test_the_other_answers():
    assert one(Choice(1), 3)[1].rank.tolist() == [[1, 0, 1]]
    assert one(Grades((0.5, 2.0)), 2)[1].grade.tolist() == [[0.5, 2.0]]
    assert one(Binary((1.0, 0.0)), 2)[1].binary.tolist() == [[1.0, 0.0]]
    kind, labels = one(Triplet(2), 3)
    assert (kind, labels.pref.tolist()) == (Kind.SIMILARITY, [0.0])


def test_a_skip_and_half_an_answer_weigh_nothing():
    assert one(None, 2)[1].weight.tolist() == [0]
    assert one(Tiers(((0,),)), 2)[1].weight.tolist() == [0]


def test_kinds_are_kept_apart_and_padded():
    preferences = [
        answer(Tiers(((0,), (1,)))),
        answer(Tiers(((1,), (0,), (2,)))),
        answer(None),
        answer(Tiers(((0, 1, 2, 3),))),
    ]
    parts = collate(preferences, [2, 3, 2, 4], weights=[0.5, 2.0, 3.0, 1.0])
    labels, rows = parts[Kind.PAIR]
    assert rows.tolist() == [0, 2]
    assert labels.weight.tolist() == [0.5, 0.0]
    labels, rows = parts[Kind.RANK]
    assert rows.tolist() == [1, 3]
    assert labels.rank.tolist() == [[1, 0, 2, -1], [0, 0, 0, 0]]
    assert labels.weight.tolist() == [2.0, 1.0]


def test_strength_is_the_margin_of_pairs():
    preferences = [answer(Tiers(((0,), (1,))), strength=1.5), answer(Tiers(((0,), (1,))))]
    assert collate(preferences, [2, 2])[Kind.PAIR][0].margin.tolist() == [1.5, 0.0]
    assert one(Tiers(((0,), (1,), (2,))), 3, strength=1.5)[1].margin is None


def test_groups_by_name():
    preferences = [answer(Tiers(((0,), (1,))), group=name) for name in ("b", "a")]
    assert collate(preferences, [2, 2], groups=["a", "b"])[Kind.PAIR][0].group.tolist() == [1, 0]
    assert collate(preferences, [2, 2])[Kind.PAIR][0].group is None


@pytest.mark.parametrize(("given", "k"), [
    (Tiers(((0,), (2,))), 2), (Tiers(((0,), (0, 1))), 2), (Choice(3), 3), (Grades((1.0,)), 2), (Triplet(1), 2),
    (Binary((2.0,)), 1),
])  # fmt: skip
def test_an_answer_that_does_not_fit_its_query_is_refused(given, k):
    said = rf"^preference 0123456789ab of source 'source': \w+\(.*\) does not fit a query of {k} items"
    with pytest.raises(BadAnswer, match=said):
        collate([replace(answer(given), id="0123456789abcdef")], [k])


def pair(**fields):
    return Labels(Kind.PAIR, **({"pref": torch.tensor([1.0, 0.5])} | fields))


@pytest.mark.parametrize(("labels", "match"), [
    (Labels(Kind.RANK, pref=torch.ones(2)), "need `rank`"),
    (pair(pref=torch.tensor([1.0, 1.5])), r"lie in \[0, 1\]"),
    (pair(pref=torch.tensor([1.0, float("nan")])), "NaN"),
    (pair(weight=torch.tensor([1.0, -1.0])), "must not be negative"),
    (pair(weight=torch.ones(3)), "shape"),
    (pair(outcome=torch.tensor([[1.0, 0, 0], [1, 0, 0]])), "contradict"),
    (pair(outcome=torch.tensor([[1.0, 1, 0], [0, 0, 1]])), "sum to 1"),
    (Labels(Kind.RANK, rank=torch.tensor([[0, 1]]), margin=torch.ones(1)), "margin belongs"),
])  # fmt: skip
def test_malformed_labels_are_refused(labels, match):
    with pytest.raises(DataError, match=match):
        labels.validate(2)


def test_taking_rows_keeps_every_field():
    labels = pair(margin=torch.tensor([1.0, 2.0]), weight=torch.tensor([3.0, 4.0])).take(torch.tensor([1]))
    assert (labels.pref.tolist(), labels.margin.tolist(), labels.weight.tolist()) == ([0.5], [2.0], [4.0])
    assert len(labels) == 1


def test_relevance_orders_as_ranks_do():
    mask = torch.ones(1, 4, dtype=torch.bool)
    good, known = relevance(Labels(Kind.RANK, rank=torch.tensor([[1, 0, 2, -1]])), mask)
    assert good.tolist() == [[0.5, 1.0, 0.0, 0.0]]
    assert known.tolist() == [[True, True, True, False]]
    assert relevance(Labels(Kind.CHOICE, rank=torch.tensor([[1, 0, 1, 1]])), mask)[0].tolist() == [[0, 1, 0, 0]]


def test_kinds_are_known_before_the_queries_are_read():
    given = [
        Tiers(((1,), (0,))),
        Tiers(((0,), (1,), (2,))),
        Choice(1),
        Grades((1.0,)),
        Binary((1.0,)),
        Triplet(1),
        None,
    ]
    assert kinds_of(map(answer, given)) == frozenset(Kind)
    assert kinds_of([answer(None)]) == frozenset()


def test_groups_list_every_group():
    preferences = [answer(Tiers(((0,), (1,))), group=name) for name in ("ann", "bob", "ann")]
    ((labels, _),) = collate(preferences, [2, 2, 2], groups=["bob", "ann"]).values()
    assert labels.group.tolist() == [1, 0, 1]
    with pytest.raises(DataError, match=r"is of group 'bob', which `groups` does not list. Allowed: ann."):
        collate(preferences, [2, 2, 2], groups=["ann"])
