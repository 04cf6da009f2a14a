"""Thumbs are few, by the standards of what is recorded, and some are meant badly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import prefrl_oracle
from prefrl.errors import PluginError
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Binary, EnvInfo, Query, Segment

SPEC = next(spec for spec in prefrl_oracle.prefrl_register_sources() if spec.name == "thumbs")


def clip(total: float, tag: int = 0) -> Segment:
    return Segment.of(np.full((3, 1), tag), np.zeros((2, 1)), true_reward=np.array([total, 0.0]))


class Pool:
    """Returns 0 to 9."""

    def sample(self, n: int, length: int, rng: Any, window: int | None = None) -> list[int]:
        return list(range(10))

    def segment(self, index: int) -> Segment:
        return clip(float(index), 100 + index)

    def recent(self, n: int) -> list[Any]:
        return []


def thumbs(n: int, total: float = 9.0, pool: Any = Pool(), **options: Any) -> list[Any]:  # noqa: B008 - it has no state
    queries = [Query.of("run", i, [clip(total, i)], kind="binary") for i in range(n)]
    source = SPEC.build(SPEC.options(**options), BuildContext("run", "thumbs", 0, EnvInfo("Toy-v0", (1,), (1,))))
    answers = source.label(queries, AskContext(step=0, round=1, rng=np.random.default_rng(0), pool=pool))
    return [p.answer for p in answers]


def test_the_best_share_of_what_is_recorded_is_worth_a_thumb_up() -> None:
    assert thumbs(1, 9.0, rate=1.0, share=0.2) == thumbs(1, 8.0, rate=1.0, share=0.2) == [Binary((1.0,))]
    assert thumbs(1, 7.0, rate=1.0, share=0.2) == [Binary((0.0,))]
    assert thumbs(1, 7.0, rate=1.0) == [Binary((1.0,))]


def test_few_react_and_silence_means_nothing_or_a_thumb_down() -> None:
    assert len(thumbs(1000, rate=0.1)) == pytest.approx(100, abs=40)
    loud = thumbs(1000, rate=0.1, silence="down")
    assert len(loud) == 1000
    assert sum(answer == Binary((1.0,)) for answer in loud) == len(thumbs(1000, rate=0.1))


def test_some_mean_the_opposite() -> None:
    answers = thumbs(1000, rate=1.0, adversarial=0.3)
    assert sum(answer == Binary((0.0,)) for answer in answers) == pytest.approx(300, abs=60)


def test_without_a_recording_there_is_no_standard() -> None:
    with pytest.raises(PluginError, match="nothing is recorded here"):
        thumbs(1, pool=None)
