"""K-center keeps what is far from everything asked before; its mixes look at the uncertain half only; similarity draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from prefrl.options import NoOptions
from prefrl.queries.coverage import (
    KCenter,
    Similarity,
    disagreement_k_center,
    entropy_k_center,
    k_center,
)
from prefrl.queries.options import SimilarityOptions
from prefrl.queries.selectors import disagreement, entropy
from prefrl.specs import BuildContext, Candidates
from prefrl.types import Array, EnvInfo, Segment

CONTEXT = BuildContext(run="r", name="queries", seed=0, env=EnvInfo("Toy-v0", (1,), (1,)))


def at(*place: float) -> Segment:
    """One step seen at `place`; where it led to does not count."""
    return Segment.of(np.array([place, [99.0] * len(place)]), np.zeros((1, 1)))


def candidates(
    proposed: list[Segment],
    items: Array,
    labelled: Sequence[list[Segment]] = (),
    returns: Array | None = None,
) -> Candidates:
    rows = [[len(proposed) + i * items.shape[1] + k for k in range(items.shape[1])] for i in range(len(labelled))]
    segments = proposed + [segment for query in labelled for segment in query]
    return Candidates(segments, items, np.array(rows, int).reshape(-1, items.shape[1]), returns)


def rows(selector: KCenter | Similarity, given: Candidates, n: int) -> list[int]:
    return [row for row, _ in selector.select(given, n, np.random.default_rng(0))]


def test_of_0_1_10_with_0_asked_the_10_is_asked_next_and_then_the_1() -> None:
    given = candidates([at(0), at(1), at(10)], np.array([[0], [1], [2]]), [[at(0)]])
    assert KCenter().select(given, 1, np.random.default_rng(0)) == [(2, "k-center 10")]
    assert rows(KCenter(), given, 2) == [2, 1]


def test_each_pick_is_the_farthest_from_what_was_asked_and_picked_before() -> None:
    rng = np.random.default_rng(1)
    proposed = [at(*rng.normal(size=3)) for _ in range(30)]
    items = np.stack([rng.choice(30, 3, replace=False) for _ in range(25)])
    labelled = [[at(*rng.normal(size=3)) for _ in range(3)] for _ in range(4)]

    def flat(query: list[Segment]) -> Array:
        return np.concatenate([segment.obs[:-1].ravel() for segment in query])

    queries = np.stack([flat([proposed[i] for i in row]) for row in items])
    known = [flat(query) for query in labelled]
    expected: list[int] = []
    for _ in range(8):
        distance = np.array([min(np.linalg.norm(query - one) for one in known) for query in queries])
        expected.append(int(distance.argmax()))
        known.append(queries[expected[-1]])
    assert rows(KCenter(), candidates(proposed, items, labelled), 8) == expected


def test_without_anything_asked_before_the_picks_still_spread() -> None:
    given = candidates([at(5), at(5.1), at(0), at(9)], np.arange(4)[:, None])
    assert rows(KCenter(), given, 3) == [0, 2, 3]
    assert rows(KCenter(), given, 9) == [0, 2, 3, 1]  # there are no more


def test_small_differences_far_from_the_origin_are_told_apart() -> None:
    given = candidates([at(1e6), at(1e6 + 2), at(1e6 + 1)], np.arange(3)[:, None], [[at(1e6)]])
    assert rows(KCenter(), given, 2) == [1, 2]


def test_a_short_clip_goes_on_with_its_last_observation() -> None:
    def walk(*places: float) -> Segment:
        return Segment.of(np.array([*places, 0.0])[:, None], np.zeros((len(places), 1)))

    given = candidates([walk(1, 1, 1), walk(1, 2, 2)], np.array([[0], [1]]), [[walk(1)]])
    assert KCenter().select(given, 2, np.random.default_rng(0)) == [(1, "k-center 1.41"), (0, "k-center 0")]


@pytest.mark.parametrize(("builder", "measure"), [(disagreement_k_center, disagreement), (entropy_k_center, entropy)])
def test_mixes_are_k_center_within_the_more_uncertain_half(builder: object, measure: object) -> None:
    rng = np.random.default_rng(2)
    places, returns, items = rng.normal(size=40), 3 * rng.normal(size=(3, 40)), rng.permutation(40).reshape(20, 2)
    proposed, asked = [at(place) for place in places], [[at(0), at(0)]]
    worth = measure(returns, items)  # type: ignore[operator]
    half = np.argsort(-worth)[:10]
    chosen = rows(builder(NoOptions(), CONTEXT), candidates(proposed, items, asked, returns), 4)  # type: ignore[operator]
    assert set(chosen) <= set(half.tolist())
    alone = rows(KCenter(), candidates(proposed, items[half], asked), 4)
    assert chosen == half[alone].tolist()
    plain = rows(k_center(NoOptions(), CONTEXT), candidates(proposed, items, asked, returns), 4)
    assert not set(plain) <= set(half.tolist())


def test_mixes_consider_as_many_as_are_asked_for_and_all_where_nothing_is_known() -> None:
    items = np.arange(4)[:, None]
    proposed = [at(0), at(1), at(2), at(9)]
    returns = np.array([[9.0, 3.0, 0.0, 0.1], [-9.0, -3.0, 0.0, -0.1]])
    mixed = disagreement_k_center(NoOptions(), CONTEXT)
    assert sorted(rows(mixed, candidates(proposed, items, returns=returns), 3)) == [0, 1, 3]
    assert rows(mixed, candidates(proposed, items), 2) == [0, 3]


def test_near_questions_are_near_and_far_ones_far() -> None:
    proposed = [at(0.1 * i) for i in range(20)] + [at(100 + i) for i in range(20)]
    given = candidates(proposed, np.arange(40)[:, None], [[at(0)]])
    counts = {near: Counter[bool]() for near in (0.0, 0.5, 1.0)}
    for near, count in counts.items():
        selector = Similarity(SimilarityOptions(near=near), CONTEXT)
        for seed in range(50):
            chosen = [row for row, _ in selector.select(given, 4, np.random.default_rng(seed))]
            assert len(set(chosen)) == 4
            count.update(row < 20 for row in chosen)
    assert counts[1.0][True] > 150 > 50 > counts[0.0][True]
    assert 80 < counts[0.5][True] < 120


def test_where_nothing_was_asked_before_what_was_drawn_is_taken() -> None:
    selector = Similarity(SimilarityOptions(), CONTEXT)
    assert rows(selector, candidates([at(3), at(1), at(2)], np.arange(3)[:, None]), 2) == [0, 1]


def test_a_set_that_shows_the_same_everywhere_can_be_asked_about() -> None:
    given = candidates([at(1)] * 3, np.arange(3)[:, None], [[at(1)]])
    assert len(set(rows(Similarity(SimilarityOptions(), CONTEXT), given, 3))) == 3
    assert len(set(rows(KCenter(), given, 3))) == 3
