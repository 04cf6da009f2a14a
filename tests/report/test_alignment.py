from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from prefrl.report.alignment import change, figure, findings, knee
from prefrl.types import Evaluation, RewardFit


def evaluation(step: int, learned: float, true: float, spread: float = 1.0) -> Evaluation:
    noise = tuple(spread * x for x in (-1.0, -0.5, 0.0, 0.5, 1.0))
    returns = [tuple(value + x for x in noise) for value in (learned, true)]
    return Evaluation(step, 10, tuple(range(5)), returns[1], returns[0], (50,) * 5)


def run_of(*evaluations: Evaluation, **rest: Any) -> Any:
    fits = (RewardFit(1, 100, 10, 1.0, 0.1, 0.9, 0.9, 0.1, 1, {"drift": 0.2, "novelty": 3.0}),)
    return SimpleNamespace(
        **{"ground_truth": False, "evaluations": evaluations, "fits": fits, "correlation": None, **rest}
    )


def test_the_knee_is_where_the_true_return_turns_while_the_learned_one_goes_on() -> None:
    rising = [evaluation(0, 0, 0), evaluation(100, 10, 50), evaluation(200, 20, 40), evaluation(300, 30, 10)]
    top = knee(run_of(*rising))
    assert top is not None
    assert top.step == 100
    said = list(findings(run_of(*rising)))
    assert said[0].startswith("Over-optimised from step 100 on: there the true return was 50.0, at the end 10.0")
    assert [s.partition(":")[2][:27] for s in said[1:3]] == [
        " from step 100 to 200 the l",
        " from step 200 to 300 the l",
    ]
    assert "3.0 times as far from judged clips" in said[-1]


@pytest.mark.parametrize(
    "end",
    [evaluation(300, 30, 60), evaluation(300, 30, 49.9), evaluation(300, -30, 10)],
    ids=["better", "noise", "both fall"],
)
def test_no_knee_where_the_end_is_best_or_not_clearly_worse_or_the_model_sees_it_too(end: Evaluation) -> None:
    assert knee(run_of(evaluation(0, 0, 0), evaluation(100, 10, 50), end)) is None


def test_changes_count_in_standard_errors() -> None:
    assert change(evaluation(0, 0, 0), evaluation(1, 0, 0)).true == 0
    certain = change(evaluation(0, 0, 0, spread=0), evaluation(1, 1, -1, spread=0))
    assert (certain.learned, certain.true) == (np.inf, -np.inf)


def test_misjudged_favourites_are_flagged() -> None:
    true = np.arange(100.0)
    calm = [evaluation(0, 0, 0), evaluation(100, 1, 1)]
    good = run_of(*calm, correlation={"learned": true, "true": true}, fits=())
    assert list(findings(good)) == []
    bad = run_of(*calm, correlation={"learned": -true, "true": true}, fits=())
    assert "100% are in the lower half by true return" in next(findings(bad))


def test_the_figure_is_drawn_where_there_is_something_to_see(tmp_path: Path) -> None:
    drawn = figure(run_of(evaluation(0, 0, 0), evaluation(100, 1, 50), evaluation(200, 2, 10)))
    assert drawn is not None
    assert drawn[0].startswith("<svg ")
    assert "Over-optimised from step 100" in drawn[1]
    assert figure(run_of(evaluation(0, 0, 0), ground_truth=True)) is None
    assert figure(run_of(replace(evaluation(0, 0, 0), preferences=0), fits=())) is None
