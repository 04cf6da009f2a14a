"""What was said to have decided an answer is what the scores must show; answers without a reason count for nothing."""

from __future__ import annotations

import pytest
import torch

from prefrl.errors import ConfigError
from prefrl.losses import Kind, Labels, Scores, collate
from prefrl.losses.options import DecidingFactorOptions, DecidingWindowOptions
from prefrl.losses.reasons import DecidingFactor, DecidingWindow
from prefrl.types import Preference, Query, Rationale, Text, Tiers

QUERY = Query.of("run", 0, [Text("p", "a"), Text("p", "b")])


def answer(first: bool, **reason: object) -> Preference:
    tiers = Tiers(((0,), (1,)) if first else ((1,), (0,)))
    return Preference.of(QUERY, tiers, source="ann", rationale=Rationale(**reason))  # type: ignore[arg-type]


def test_rationales_become_labels() -> None:
    given = [answer(True, factor="speed"), answer(False, factor="weather"), answer(True, window=(1, 3)), answer(True)]
    labels, _ = collate(given, [2] * 4, factors=("height", "speed"))[Kind.PAIR]
    assert labels.factor is not None
    assert labels.window is not None
    assert labels.factor.tolist() == [1, -1, -1, -1]
    assert labels.window.tolist() == [[-1, -1], [-1, -1], [1, 3], [-1, -1]]
    bare, _ = collate([answer(True)], [2], factors=("speed",))[Kind.PAIR]
    assert bare.factor is None
    assert bare.window is None


def test_the_named_factor_is_to_add_most_to_the_preferred_clip() -> None:
    added = torch.tensor([[[2.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 3.0]], [[9.0, 0.0], [0.0, 0.0]]])
    scores = Scores.of(added.sum(2), contributions=added)
    labels = Labels(Kind.PAIR, pref=torch.tensor([1.0, 0.0, 1.0]), factor=torch.tensor([0, 1, -1]))
    out = DecidingFactor(DecidingFactorOptions())(scores, labels)
    # leads (2, -1) with the first named, (0, 3) with the second named, the third says nothing
    expected = (torch.tensor([3.0, 3.0]).neg().exp().log1p()).mean()
    torch.testing.assert_close(out.loss, expected)
    assert out.metrics.means()["factor_acc"] == 1.0


def test_the_named_steps_are_to_explain_the_answer() -> None:
    step = torch.tensor([[[1.0, 5.0, 0.0], [0.0, 0.0, 7.0]]])
    times = torch.tensor([[[0, 1, 2], [0, 1, 2]]])
    labels = Labels(Kind.PAIR, pref=torch.tensor([1.0]), window=torch.tensor([[1, 2]]))
    scores = Scores(
        step.sum(2), torch.ones(1, 2, dtype=torch.bool), step, torch.ones(1, 2, 3, dtype=torch.bool), {"times": times}
    )
    out = DecidingWindow(DecidingWindowOptions())(scores, labels)
    torch.testing.assert_close(out.loss, torch.tensor(5.0).neg().exp().log1p())


@pytest.mark.parametrize("named", [True, False])
def test_ties_and_answers_without_a_reason_weigh_nothing(named: bool) -> None:
    added = torch.randn(1, 2, 3, requires_grad=True)
    factor = torch.tensor([1]) if named else None
    labels = Labels(Kind.PAIR, pref=torch.tensor([0.5 if named else 1.0]), factor=factor)
    out = DecidingFactor(DecidingFactorOptions())(Scores.of(added.sum(2), contributions=added), labels)
    assert out.loss.item() == 0
    out.loss.backward()


def test_a_model_without_factors_is_refused() -> None:
    with pytest.raises(ConfigError, match="'deciding_factor' needs contributions"):
        DecidingFactor(DecidingFactorOptions()).check(["pair"], {"times"})
