"""Rewards and returns of clips come in; what a fallible teacher makes of them goes out, one function per weakness.

K items of one question stand on the last axis. For K = 2 these are the steps of B-Pref's StoPref teacher (Lee et al. 2021,
algorithm 2 and its code); what they mean for K > 2 is said in each function and follows from one rule: a pair of items
out of a ranking is answered as if it had been asked alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def usual_return(rewards: Floats, steps: int) -> float:
    """What `steps` steps collect on average of the per-step `rewards` of recent episodes.

    With episodes of one length T this is B-Pref's mean episode return * H / T.
    """
    return float(rewards.mean()) * steps


def skip_threshold(share: float, usual: float) -> float:
    """A question is skipped if the best of its K returns is not above it: share * usual.

    B-Pref assumes returns that are not negative. Below zero a share of the usual return would be better than it, so the
    same distance is kept on the other side: usual - (1 - share) * |usual|.
    """
    return usual - (1 - share) * abs(usual)


def discounted(rewards: Floats, discount: float) -> float:
    """Sum over the clip's steps (H,) of discount^(H-1-t) * reward: recent steps weigh most."""
    return float(rewards @ discount ** np.arange(len(rewards) - 1, -1, -1, dtype=np.float64))


def perturbed(returns: Floats, beta: float, rng: np.random.Generator) -> Floats:
    """Returns (..., K) as a Boltzmann-rational judge perceives them: what it sorts by.

    Sorting beta * return + Gumbel noise samples the Plackett-Luce model (Yellott 1977): of two items, item 0 comes first
    with probability sigmoid(beta * (R0 - R1)), and so does any two of K.
    """
    return beta * returns + rng.gumbel(size=returns.shape)


def turned_round(perceived: Floats, draws: Floats, rate: float) -> Floats:
    """`perceived` (..., K) in reverse where the uniform `draws` (...) are at most `rate`.

    Of K > 2 the whole order is turned round, so that every pair in it is wrong with probability `rate`.
    """
    mistaken = draws <= rate if rate else np.zeros(np.shape(draws), bool)
    return np.where(mistaken[..., None], -perceived, perceived)


def together(returns: Floats, margin: float) -> Ints:
    """(K,) group of each item: items join the best one from which they are less than `margin` away.

    Going down from the best return, an item opens a new group once it is `margin` or more below the group's best, so that
    no two of a group are told apart by the margin.
    """
    groups = np.empty(len(returns), np.int64)
    best, group = np.inf, -1
    for item in np.argsort(-returns, kind="stable"):
        if best - returns[item] >= margin:
            best, group = returns[item], group + 1
        groups[item] = group
    return groups


def levelled(perceived: Floats, groups: Ints) -> Floats:
    """`perceived` (K,) with each item at the mean of its group: equal ones tie, and as one they keep their place."""
    sums = np.bincount(groups, weights=perceived)
    return np.asarray((sums / np.bincount(groups))[groups])


def ranks(values: Floats) -> list[int]:
    """0 for the highest of `values` (K,); exactly equal values share a rank."""
    return [int(rank) for rank in np.unique(-values, return_inverse=True)[1]]
