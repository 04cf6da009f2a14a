"""Proposals pair different segments of the pool, and a selector is asked only when a model can inform it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from prefrl.errors import RunError
from prefrl.queries.proposals import propose, select
from prefrl.queries.selectors import Disagreement, Uniform
from prefrl.segments import SegmentPool
from prefrl.settings import FeedbackSettings, QueriesSettings
from prefrl.specs import Candidates
from prefrl.types import Array, Episode, Item, Query, Text


def pool(steps: int, value: float | None = None) -> SegmentPool:
    obs = np.arange(steps + 1.0)[:, None] if value is None else np.full((steps + 1, 1), value)
    return SegmentPool([Episode("e", obs, np.zeros((steps, 1)), true_reward=np.zeros(steps), truncated=True)], steps, 1)


class Model:
    """Two members that disagree the more, the later a segment begins."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.scored = 0

    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        self.scored += len(items)
        starts = np.array([item.obs[0, 0] for item in items])  # type: ignore[union-attr]
        return np.stack([starts / 100, -starts / 100])


def queries_of(
    recorded: SegmentPool, model: Model, n: int, selector: Any = None, items: int = 2, **queries: Any
) -> Sequence[Query]:
    return select(
        recorded, selector or Disagreement(), model,  # type: ignore[arg-type]  # as much of a model as a selector needs
        n, run="run", round=3, feedback=FeedbackSettings(segment=5, items=items),
        queries=QueriesSettings(**queries), rng=np.random.default_rng(0),
    )  # fmt: skip


def test_every_proposal_has_its_own_segments_where_there_are_enough() -> None:
    made = propose(pool(5000), 10, 2, 5, None, np.random.default_rng(0))
    assert sorted(made.items.flatten().tolist()) == list(range(20))
    assert len({segment.id for segment in made.segments}) == 20
    assert made.returns is None
    assert made.labelled.shape == (0, 2)


def test_no_proposal_compares_a_segment_with_itself_or_repeats_another() -> None:
    made = propose(pool(24), 200, 2, 5, None, np.random.default_rng(0))
    assert len(made.segments) == 20
    unordered = {frozenset(row) for row in made.items.tolist()}
    assert all(len(pair) == 2 for pair in unordered)
    assert 100 < len(unordered) == len(made.items)


def test_a_pool_of_equal_segments_is_a_sentence() -> None:
    with pytest.raises(RunError, match=r"only 1 different segments are recorded, a query needs 2"):
        propose(pool(50, value=1.0), 4, 2, 5, None, np.random.default_rng(0))


def test_an_uninformed_round_draws_no_more_than_it_asks() -> None:
    model = Model(version=0)
    asked = queries_of(pool(5000), model, 8)
    assert len(asked) == 8
    assert model.scored == 0
    assert {query.why for query in asked} == {"uniform"}
    assert len({item.id for query in asked for item in query.items}) == 16
    assert queries_of(pool(5000), Model(version=1), 8, Uniform())[0].why == "uniform"


def test_an_informed_round_asks_where_members_disagree() -> None:
    model = Model(version=1)
    asked = queries_of(pool(5000), model, 5)
    assert len(asked) == 5
    assert all(query.why.startswith("disagreement") for query in asked)

    def apart(queries: Sequence[Query]) -> float:
        return float(np.mean([abs(q.items[0].obs[0, 0] - q.items[1].obs[0, 0]) for q in queries]))  # type: ignore[union-attr]

    assert apart(asked) > 1.5 * apart(queries_of(pool(5000), Model(version=0), 5))


@pytest.mark.parametrize(("items", "kind"), [(1, "binary"), (2, "pair"), (4, "ranking")])
def test_queries_name_their_run_round_and_kind(items: int, kind: str) -> None:
    for version in (0, 1):
        asked = queries_of(pool(500), Model(version), 3, items=items)
        assert len({query.id for query in asked}) == 3
        for query in asked:
            assert (query.kind, query.round, len({item.id for item in query.items})) == (kind, 3, items)
            assert query.id == Query.of("run", 3, query.items, kind=query.kind).id


def test_the_window_is_passed_on() -> None:
    recorded = pool(1000)
    asked = queries_of(recorded, Model(0), 20, window=50)
    assert min(item.start for query in asked for item in query.items) >= 950  # type: ignore[union-attr]


def test_the_same_generator_asks_the_same() -> None:
    one, other = (queries_of(pool(500), Model(1), 4) for _ in range(2))
    assert [query.id for query in one] == [query.id for query in other]


class Remembers:
    """Keeps what it was shown."""

    informed = True

    def select(self, candidates: Candidates, n: int, rng: np.random.Generator) -> Sequence[tuple[int, str]]:
        self.shown = candidates
        return [(0, "first")]


def test_a_selector_sees_what_was_asked_before_behind_what_is_proposed() -> None:
    recorded, model = pool(300), Model(1)
    pairs = [recorded.segment(cut) for cut in recorded.sample(6, 5, np.random.default_rng(7))]
    asked = [Query.of("run", 0, pairs[i : i + 2]) for i in (0, 2, 4)]
    others = [Query.of("run", 0, pairs[:3]), Query.of("run", 0, [Text("p", "a"), Text("p", "b")])]
    selector = Remembers()
    select(
        recorded, selector, model,  # type: ignore[arg-type]
        4, run="run", round=3, feedback=FeedbackSettings(segment=5), queries=QueriesSettings(),
        rng=np.random.default_rng(0), asked=[asked[0], others[0], *asked[1:], others[1]],
    )  # fmt: skip
    shown = selector.shown
    assert [[shown.segments[i].id for i in row] for row in shown.labelled] == [[s.id for s in q.items] for q in asked]
    assert shown.returns is not None
    assert (
        shown.returns.shape[1] == model.scored == len(shown.segments) - 6
    )  # what was asked before is not scored again
    assert shown.items.max() < model.scored


def test_a_window_of_n_episodes_of_t_steps_is_qpas_on_policy_pool() -> None:
    episodes = [
        Episode(str(i), np.zeros((101, 1)), np.zeros((100, 1)), truncated=True, begin=100 * i) for i in range(25)
    ]
    cuts = SegmentPool(episodes, 2500, 1).sample(500, 50, np.random.default_rng(0), window=10 * 100)
    assert {cut.episode.id for cut in cuts} == {str(i) for i in range(15, 25)}
