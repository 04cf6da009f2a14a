"""What people answered and saw in, the planner's prediction for them out: clips become features, answers become orders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prefrl.types import Choice, Item, Segment, Tiers
from prefrl_human.planner import Floats, Plan, plan
from prefrl_human.records import Served

MOST_FEATURES = 6
RANKED = 4  # clips of the rankings that pairs are compared with
LONGER = 2.5  # how much longer than a pair a ranking of four takes, where a person has not given both kinds
FEW = 5  # answers of one kind before its time is known


def outlook(served: Sequence[Served], rng: np.random.Generator, target: float = 0.85) -> Plan | None:
    """The plan for whoever gave these answers; None below 30 that order clips, or where clips do not differ."""
    answers = [(one, order) for one in served if one.check is None and (order := _order(one)) is not None]
    items = {item.id: item for one, _ in answers for item in one.query.items}
    found = features(list(items.values()))
    if found is None:
        return None
    place = {key: row for row, key in enumerate(items)}
    orders = [[place[one.query.items[item].id] for item in order] for one, order in answers]
    return plan(found, orders, rng, seconds=_seconds(served), target=target, k=RANKED)


def features(items: Sequence[Item]) -> Floats | None:
    """(N, d <= 6) uncorrelated features of clips, of zero mean and unit variance: the principal components of the means and
    spreads of observations and the means of squared actions. None for texts, and for fewer than ten clips."""
    clips = [item for item in items if isinstance(item, Segment)]
    if len(clips) < max(10, len(items)):
        return None
    raw = np.stack([_summary(clip) for clip in clips])
    spread = raw.std(0)
    scaled = (raw - raw.mean(0))[:, spread > 1e-9] / spread[spread > 1e-9]
    if not scaled.shape[1]:
        return None
    left, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    kept = min(MOST_FEATURES, int((sizes > 1e-6 * sizes[0]).sum()))
    found: Floats = left[:, :kept] * np.sqrt(len(clips))
    return found


def _summary(clip: Segment) -> Floats:
    obs = np.asarray(clip.obs, np.float64).reshape(len(clip) + 1, -1)
    action = np.asarray(clip.action, np.float64).reshape(len(clip), -1)
    return np.concatenate([obs.mean(0), obs.std(0), (action**2).mean(0)])


def _order(one: Served) -> list[int] | None:
    """Items, the best first, as far as the answer orders them; None for ties of all, skips and thumbs."""
    match one.answer.answer:
        case Tiers(tiers) if len(tiers) > 1:
            return [tier[0] for tier in tiers]
        case Choice(best) if len(one.query.items) == 2:
            return [best, 1 - best]
    return None


def _seconds(served: Sequence[Served]) -> tuple[float, float]:
    """Median seconds of a pair and of a ranking of four; one is guessed from the other where a kind was not given."""
    taken = [(len(one.query.items), one.answer.seconds) for one in served if one.answer.seconds is not None]
    pairs = [seconds for k, seconds in taken if k == 2]
    rankings = [seconds * RANKED / k for k, seconds in taken if k > 2]
    if len(pairs) >= FEW and len(rankings) >= FEW:
        return float(np.median(pairs)), float(np.median(rankings))
    pair = float(np.median(pairs or [ranking / LONGER for ranking in rankings] or [1.0]))
    return pair, pair * LONGER
