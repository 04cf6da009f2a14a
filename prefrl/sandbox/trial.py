"""A started box and a batch in; `ProgramFault` out if the program is not a function of each step alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from prefrl.sandbox.box import Box, ProgramFault, Rewards
from prefrl.types import Array

TOLERANCE = 1e-9  # relative and absolute: sums may be taken in another order


def tried(box: Box, given: Mapping[str, Array], rng: np.random.Generator) -> Rewards:
    """Rewards of `given`, once the same steps got the same rewards again, in another order and in another company."""
    first = box(given)
    _compare(first, box(given), "it is asked about the same batch again")
    order = rng.permutation(len(first.reward))
    shuffled = box({name: values[order] for name, values in given.items()})
    _compare(_rows(first, order), shuffled, "the rows of the batch change places")
    few = np.arange(max(1, len(order) // 3))
    _compare(_rows(first, few), box({name: values[few] for name, values in given.items()}), "the batch is smaller")
    return first


def _rows(rewards: Rewards, rows: Array) -> Rewards:
    return Rewards(rewards.reward[rows], {name: values[rows] for name, values in rewards.components.items()})


def _compare(one: Rewards, other: Rewards, when: str) -> None:
    if one.components.keys() != other.components.keys():
        raise ProgramFault("state", f"its components change when {when}; a reward depends on one step alone.")
    pairs = {name: (values, other.components[name]) for name, values in one.components.items()}
    for name, (a, b) in {"the reward": (one.reward, other.reward), **pairs}.items():
        if not np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE):
            raise ProgramFault("state", f"{name} of a step changes when {when}; a reward depends on one step alone.")
