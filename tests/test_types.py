from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefrl.types import (
    Candidate,
    Choice,
    Episode,
    Evaluation,
    Preference,
    Query,
    Segment,
    Text,
    Tiers,
    array_bytes,
    content_hash,
)


def segment(seed: int = 0, **rest: object) -> Segment:
    rng = np.random.default_rng(seed)
    return Segment.of(rng.normal(size=(6, 3)), rng.normal(size=(5, 2)), **rest)


def test_no_two_splits_of_the_same_bytes_share_a_hash() -> None:
    assert content_hash(b"ab", b"c") != content_hash(b"a", b"bc") != content_hash(b"abc")
    assert content_hash(b"ab", b"c") == content_hash(b"ab", b"c")


def test_dtype_and_shape_belong_to_an_arrays_name() -> None:
    ones = np.ones((2, 3))
    names = {
        array_bytes(array) for array in (ones, ones.astype(np.float32), ones.reshape(3, 2), ones.ravel(), 2 * ones)
    }
    assert len(names) == 5
    assert array_bytes(np.asfortranarray(ones)) == array_bytes(ones)


def test_a_segments_id_is_of_observations_and_actions_only() -> None:
    plain = segment()
    privileged = segment(
        true_reward=np.ones(5), factors={"speed": np.ones(5)}, states=np.ones((6, 9)), episode="e", start=3
    )
    assert plain.id == privileged.id
    assert segment(1).id != plain.id
    assert len(plain) == 5


def test_a_redone_round_asks_the_same_queries() -> None:
    items = [segment(0), segment(1)]
    query = Query.of("run", 2, items, why="disagreement 0.3")
    assert query.id == Query.of("run", 2, items, why="other words").id
    others = [
        Query.of("run", 3, items), Query.of("other", 2, items), Query.of("run", 2, items[::-1]),
        Query.of("run", 2, items, kind="ranking"), Query.of("run", 2, items, question="cost:energy"),
    ]  # fmt: skip
    assert len({query.id, *(other.id for other in others)}) == 6


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=6))
def test_tiers_and_ranks_are_inverse(ranks: list[int]) -> None:
    tiers = Tiers.of_ranks(ranks)
    again = tiers.ranks(len(ranks))
    assert Tiers.of_ranks(again) == tiers
    for i, a in enumerate(ranks):
        assert (again[i] == -1) == (a < 0)
        for j, b in enumerate(ranks):
            if a >= 0 and b >= 0:
                assert (a < b, a == b) == (again[i] < again[j], again[i] == again[j])


def test_rank_zero_is_best_and_tiers_list_the_best_first() -> None:
    assert Tiers(((2,), (0, 1))).ranks(4) == (1, 1, 0, -1)


def test_an_answer_is_named_by_who_said_it_to_what_and_when_revised() -> None:
    query = Query.of("run", 0, [segment(0), segment(1)])
    first = Preference.of(query, Tiers(((0,), (1,))), source="oracle")
    assert first.id == Preference.of(query, Choice(1), source="oracle").id
    assert len({first.id, Preference.of(query, None, source="people").id, Preference.of(query, None, source="oracle", revision=1).id,
                Preference.of(query, None, source="oracle", annotator="ann").id}) == 4  # fmt: skip
    assert first.outcome == "answered"
    assert first.created > 1.7e9
    skip = Preference.of(query, None, source="oracle", created=5.0)
    assert (skip.outcome, skip.created) == ("skip", 5.0)


def test_items_of_every_kind_have_an_id_of_their_content() -> None:
    assert Text("p", "c").id == Text("p", "c").id != Text("pc", "").id
    clip = segment()
    assert Candidate("a", "code", clip).id == Candidate("a", "code", clip).id
    assert Candidate("a", "code", clip).id != Candidate("a", "code", segment(1)).id
    assert {item.kind for item in (clip, Text("", ""), Candidate("a"))} == {"segment", "text", "candidate"}


def test_records_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        segment().start = 3  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Tiers(()).tiers = ()  # type: ignore[misc]


def test_lengths_count_steps_and_returns_are_averaged() -> None:
    assert len(Episode("e", np.zeros((4, 2)), np.zeros((3, 1)))) == 3
    evaluation = Evaluation(0, 0, (1, 2), (1.0, 4.0), (0.0, 0.0), (3, 3))
    assert evaluation.mean_return == 2.5
    assert math.isnan(evaluation.accuracy)
