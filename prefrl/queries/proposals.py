"""A pool and a reward model in, queries out: propose more than needed, let the selector keep the best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prefrl.errors import RunError
from prefrl.settings import FeedbackSettings, QueriesSettings
from prefrl.specs import Candidates, Pool, RewardModel, Selector
from prefrl.types import Query, QuestionKind, Segment

SHARED = 4  # distinct segments per item kept: copying and scoring a segment costs more than pairing it anew


def propose(
    pool: Pool, n: int, distinct: int, items: int, length: int, window: int | None, rng: np.random.Generator
) -> Candidates:
    """`n` proposals of `items` different segments each, out of at most `distinct` drawn from the pool."""
    wanted = max(items + 1, min(n * items, distinct))
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
) -> Sequence[Query]:
    """`n` queries of the run's round; fewer when proposals repeat."""
    informed = selector.informed and reward.version > 0
    proposals, distinct = (n * queries.candidates, SHARED * n * feedback.items) if informed else (n, n * feedback.items)
    candidates = propose(pool, proposals, distinct, feedback.items, feedback.segment, queries.window, rng)
    if informed:
        returns = reward.returns(candidates.segments)
        candidates = Candidates(candidates.segments, candidates.items, candidates.labelled, returns)
        chosen = selector.select(candidates, n, rng)
    else:
        chosen = [(row, "uniform") for row in range(min(n, len(candidates.items)))]
    kind: QuestionKind = {1: "binary", 2: "pair"}.get(feedback.items, "ranking")  # type: ignore[assignment]  # of str
    made = (
        Query.of(run, round, [candidates.segments[i] for i in candidates.items[row]], kind=kind, why=why)
        for row, why in chosen
    )
    return list({query.id: query for query in made}.values())
