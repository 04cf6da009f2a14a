"""Agreement with the true return counts what was said, by source and by the factor that decided."""

from __future__ import annotations

from typing import Any

import numpy as np

from prefrl.agreement import by_source
from prefrl.types import Binary, Candidate, Choice, Grades, Preference, Query, Rationale, Segment, Text, Tiers


def clip(total: float | None, tag: int = 0) -> Segment:
    reward = None if total is None else np.array([total, 0.0])
    return Segment.of(np.full((3, 1), tag), np.zeros((2, 1)), true_reward=reward)


def row(source: str, factor: str | None = None, **counts: int) -> dict[str, Any]:
    return {"source": source, "factor": factor, "answered": 0, "skipped": 0, "pairs": 0, "right": 0} | counts


def tabulated(*answered: tuple[list[Any], Any, dict[str, Any]]) -> list[dict[str, Any]]:
    preferences, queries = [], {}
    for n, (items, answer, rest) in enumerate(answered):
        question = rest.pop("question", "reward")
        query = Query.of("run", n, items, question=question)
        queries[query.id] = query
        preferences.append(Preference.of(query, answer, **{"source": "a"} | rest))
    return by_source(preferences, queries)


FIRST = Tiers(((0,), (1,)))


def test_pairs_are_right_wrong_or_say_nothing() -> None:
    found = tabulated(
        ([clip(2.0), clip(1.0, 1)], FIRST, {}),
        ([clip(1.0), clip(2.0, 1)], FIRST, {}),
        ([clip(1.0), clip(1.0, 1)], FIRST, {}),  # the truth does not tell them apart
        ([clip(1.0), clip(2.0, 1)], Tiers(((0, 1),)), {}),  # neither does the answer
        ([clip(None), clip(2.0, 1)], FIRST, {}),  # nothing is known of the truth
        ([clip(1.0), clip(2.0, 1)], None, {}),
        ([clip(5.0), clip(1.0, 1)], FIRST, {"question": "cost:energy"}),
    )
    assert found == [row("a", answered=5, skipped=1, pairs=2, right=1)]


def test_every_pair_of_a_ranking_counts_that_was_ranked() -> None:
    clips = [clip(float(i), i) for i in range(4)]
    assert tabulated((clips, Tiers(((3,), (0,), (1,))), {})) == [
        row("a", answered=1, pairs=3, right=2)
    ]  # 2 is not ranked
    assert tabulated((clips, Choice(2), {})) == [row("a", answered=1, pairs=3, right=2)]
    assert tabulated((clips, Grades((0.0, 1.0, 2.0, 2.0)), {})) == [row("a", answered=1, pairs=5, right=5)]


def test_candidates_are_judged_by_their_clips_and_texts_by_nothing() -> None:
    candidates = [Candidate("x", clip=clip(1.0)), Candidate("y", clip=clip(0.0, 1))]
    assert tabulated((candidates, FIRST, {})) == [row("a", answered=1, pairs=1, right=1)]
    assert tabulated(([Text("p", "x"), Text("p", "y")], FIRST, {})) == [row("a", answered=1)]
    assert tabulated(([clip(1.0)], Binary((1.0,)), {})) == [row("a", answered=1)]


def test_sources_stand_apart_and_deciding_factors_below_their_source() -> None:
    by = {"rationale": Rationale(factor="speed")}
    pair = [clip(2.0), clip(1.0, 1)]
    found = tabulated((pair, FIRST, {"source": "b"}), (pair, FIRST, dict(by)), (pair[::-1], FIRST, {}))
    assert found == [
        row("a", answered=2, pairs=2, right=1),
        row("a", "speed", answered=1, pairs=1, right=1),
        row("b", answered=1, pairs=1, right=1),
    ]
