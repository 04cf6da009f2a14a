from __future__ import annotations

import math

import numpy as np
import pytest

from prefrl.alignment import Watch, drift, newest, novelty
from prefrl.rewards.ensemble import Ensemble
from prefrl.rewards.options import EnsembleOptions
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo, Episode, Query, Segment

ENV = EnvInfo("Toy-v0", (2,), (1,))


def test_drift_is_blind_to_scale_and_offset() -> None:
    reward = np.array([1.0, 2.0, 4.0])
    assert drift(reward, 3 * reward + 7) == pytest.approx(0, abs=1e-12)
    assert drift(reward, -reward) == pytest.approx(2)
    assert math.isnan(drift(reward, np.ones(3)))


def test_novelty_is_one_for_what_was_judged_and_grows_with_the_distance() -> None:
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(20, 3)) for _ in range(20)]
    assert novelty(rng.normal(size=(400, 3)), clips) == pytest.approx(1, abs=0.2)
    assert novelty(rng.normal(size=(400, 3)) + 10, clips) > 5
    # the same in other units
    units = np.array([1.0, 100.0, 0.01])
    recent = rng.normal(size=(400, 3))
    assert novelty(recent * units, [clip * units for clip in clips]) == pytest.approx(novelty(recent, clips))


def test_a_watch_says_what_it_can() -> None:
    rng = np.random.default_rng(0)
    reward = Ensemble(EnsembleOptions(members=1, hidden=(8,)), BuildContext("run", "reward", 0, ENV))
    episode = Episode("e", rng.normal(size=(51, 2)), rng.normal(size=(50, 1)))
    queries = [
        Query.of("run", i, [Segment.of(rng.normal(size=(6, 2)), rng.normal(size=(5, 1))) for _ in range(2)])
        for i in range(4)
    ]
    assert Watch(reward, [episode]).metrics([], ENV) == {}
    assert Watch(reward, [episode]).metrics(queries, ENV).keys() == {"novelty"}
    reward.fitted()
    assert Watch(reward, [episode]).metrics(queries, ENV)["drift"] == pytest.approx(0, abs=1e-9)
    watch = Watch(reward, [episode])
    reward.reset()
    assert watch.metrics(queries, ENV)["drift"] > 0.01


def test_the_newest_episodes_are_looked_at() -> None:
    episodes = [Episode(str(i), np.zeros((6, 2)), np.zeros((5, 1))) for i in range(4)]
    assert [episode.id for episode in newest(episodes, 8)] == ["2", "3"]
    assert newest([], 8) == []
