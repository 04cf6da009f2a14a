"""A pool and a reward model in, queries out: propose more than needed, let the selector keep the best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from prefrl.errors import RunError
from prefrl.settings import FeedbackSettings, QueriesSettings
from prefrl.specs import Candidates, Pool, RewardModel, Selector
from prefrl.types import Query, QuestionKind, Segment


def propose(pool: Pool, n: int, items: int, length: int, window: int | None, rng: np.random.Generator) -> Candidates:
    """Up to `n` different proposals of `items` different segments each; each has segments of its own if there are enough.

    Proposals that share segments would let a few surprising ones fill a whole round.
    """
    wanted = max(items + 1, n * items)
    unique: dict[str, Segment] = {}
    for cut in pool.sample(wanted, length, rng, window):
        segment = pool.segment(cut)
        unique[segment.id] = segment
    segments = list(unique.values())
    if len(segments) < items:
        raise RunError(f"feedback.items: only {len(segments)} different segments are recorded, a query needs {items}.")
    if n * items <= len(segments):  # enough for every proposal to have its own
        members = rng.permutation(len(segments))[: n * items].reshape(n, items)
    else:
        members = np.stack([rng.choice(len(segments), items, replace=False) for _ in range(n)])
        _, first = np.unique(np.sort(members, axis=1), axis=0, return_index=True)
        members = members[np.sort(first)]  # the same segments in another order are the same question
    return Candidates(segments, members, np.empty((0, items), int), None)


def select(
    pool: Pool,
    selector: Selector,
    reward: RewardModel,
    n: int,
    *,
    run: str,
    round: int,
    feedback: FeedbackSettings,
    queries: QueriesSettings,
    rng: np.random.Generator,
    asked: Iterable[Query] = (),
) -> Sequence[Query]:
    """`n` queries of the run's round; fewer when proposals repeat. `asked` are those of before, which a selector may avoid."""
    informed = selector.informed and reward.version > 0
    proposals = n * queries.candidates if informed else n
    candidates = propose(pool, proposals, feedback.items, feedback.segment, queries.window, rng)
    if informed:
        returns = reward.returns(candidates.segments)
        chosen = selector.select(replace(beside(candidates, asked), returns=returns), n, rng)
    else:
        chosen = [(row, "uniform") for row in range(min(n, len(candidates.items)))]
    return made(candidates, chosen, run=run, round=round)


def beside(candidates: Candidates, asked: Iterable[Query]) -> Candidates:
    """`candidates` with the segments of queries asked before behind the proposed ones, as far as they have as many items."""
    segments, rows = list(candidates.segments), []
    for query in asked:
        clips = [item for item in query.items if isinstance(item, Segment)]
        if len(clips) == len(query.items) == candidates.items.shape[1]:
            rows.append(range(len(segments), len(segments) + len(clips)))
            segments += clips
    return replace(candidates, segments=segments, labelled=np.array(rows, int)) if rows else candidates


def made(candidates: Candidates, chosen: Iterable[tuple[int, str]], *, run: str, round: int) -> Sequence[Query]:
    """The chosen rows as queries; what repeats is there once."""
    kind: QuestionKind = {1: "binary", 2: "pair"}.get(candidates.items.shape[1], "ranking")  # type: ignore[assignment]  # of str
    queries = (
        Query.of(run, round, [candidates.segments[i] for i in candidates.items[row]], kind=kind, why=why)
        for row, why in chosen
    )
    return list({query.id: query for query in queries}.values())
