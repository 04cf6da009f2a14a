"""Answers and the clips they are about in, how each source's answers agree with the true return out; for reports alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from prefrl.types import Answer, Candidate, Choice, Grades, Item, Preference, Query, Segment, Tiers


def by_source(preferences: Iterable[Preference], queries: Mapping[str, Query]) -> list[dict[str, Any]]:
    """One row per source, and below it one per factor that its answers name as what decided.

    Rows: {source, factor (None for all of a source's answers), answered, skipped, pairs, right}. A pair counts where the
    answer orders its clips and their true returns differ; answers about anything but reward have nothing to agree with.
    """
    rows: dict[tuple[str, str | None], dict[str, Any]] = {}
    for preference in preferences:
        query = queries[preference.query_id]
        if query.question != "reward":
            continue
        agreed = list(_agreements(preference.answer, query.items))
        factor = preference.rationale.factor
        for key in dict.fromkeys([(preference.source, None), (preference.source, factor)]):
            empty = {"source": key[0], "factor": key[1], "answered": 0, "skipped": 0, "pairs": 0, "right": 0}
            row = rows.setdefault(key, empty)
            row["answered" if preference.answer is not None else "skipped"] += 1
            row["pairs"] += len(agreed)
            row["right"] += sum(agreed)
    return sorted(rows.values(), key=lambda row: (row["source"], row["factor"] is not None, -row["answered"]))


def _agreements(answer: Answer | None, items: Sequence[Item]) -> Iterator[bool]:
    """Of each pair of clips that the answer and the true return both order, whether they order it alike."""
    worth = _worth(answer, len(items))
    returns = [_true_return(item) for item in items]
    for i, j in combinations(range(len(items)), 2):
        said, true = worth[i] - worth[j], returns[i] - returns[j]
        if said * true != 0 and not np.isnan(said * true):
            yield bool(said * true > 0)


def _worth(answer: Answer | None, k: int) -> list[float]:
    """What an answer makes of each of `k` items, more is better; NaN for those of which it says nothing."""
    match answer:
        case Tiers():
            return [-float(rank) if rank >= 0 else np.nan for rank in answer.ranks(k)]
        case Choice(best):
            return [float(i == best) for i in range(k)]
        case Grades(grades):
            return list(grades)
        case _:
            return [np.nan] * k


def _true_return(item: Item) -> float:
    clip = item.clip if isinstance(item, Candidate) else item
    known = isinstance(clip, Segment) and clip.true_reward is not None
    return float(np.sum(np.asarray(clip.true_reward, np.float64))) if known else np.nan  # type: ignore[union-attr]
