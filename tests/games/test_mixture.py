"""A mixture draws one of its policies per episode, as often as its weights say, and survives the disk."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefrl.errors import RunError
from prefrl.games.mixture import Mixture


class Named:
    """Stands for a policy."""

    def __init__(self, name: str) -> None:
        self.name = name

    def save(self, path: Path) -> None:
        path.write_text(self.name)


def mixture() -> Mixture:
    policies: Any = [Named("a"), Named("b"), Named("c")]
    return Mixture(policies, ("runs/a", "runs/b", "runs/c"), np.array([0.5, 0.0, 0.5]))


def test_each_episode_has_one_policy_and_the_same_every_time() -> None:
    drawn: Any = [mixture().drawn(seed) for seed in range(400)]
    again: Any = [mixture().drawn(seed) for seed in range(400)]
    assert [policy.name for policy in drawn] == [policy.name for policy in again]
    counts = Counter(policy.name for policy in drawn)
    assert set(counts) == {"a", "c"}
    assert abs(counts["a"] - 200) < 60  # six standard deviations


def test_it_survives_the_disk(tmp_path: Path) -> None:
    mixture().save(tmp_path / "mixture")
    read: Any = Mixture.load(tmp_path / "mixture", lambda path: Named(path.read_text()))  # type: ignore[arg-type,return-value]  # a stand-in
    assert [policy.name for policy in read.policies] == ["a", "b", "c"]
    assert read.names == ["runs/a", "runs/b", "runs/c"]
    np.testing.assert_array_equal(read.weights, [0.5, 0.0, 0.5])
    with pytest.raises(RunError, match="there is no mixture"):
        Mixture.load(tmp_path, lambda path: Named(path.read_text()))  # type: ignore[arg-type,return-value]  # as above
