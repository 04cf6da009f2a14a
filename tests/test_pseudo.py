"""A member labels what it is sure of: nothing below the threshold, and nothing of the answers' own draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from prefrl.builtin import prefrl_register_losses
from prefrl.fit import Trainer, gather
from prefrl.losses import build_loss
from prefrl.pseudo import PseudoLabels, unjudged
from prefrl.rewards.ensemble import Ensemble
from prefrl.rewards.options import EnsembleOptions
from prefrl.settings import FitSettings, UnlabelledSettings
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo, Preference, Query, Segment, Tiers

ENV = EnvInfo("Toy-v0", (2,), (1,))
CONTEXT = BuildContext(run="run", name="reward", seed=0, env=ENV)
LOSSES = {spec.name: spec for spec in prefrl_register_losses()}


def segments(n: int, seed: int) -> list[Segment]:
    rng = np.random.default_rng(seed)
    return [Segment.of(rng.normal(size=(6, 2)), np.zeros((5, 1))) for _ in range(n)]


def weights_after(unlabelled: UnlabelledSettings | None, *, pairs: bool) -> list[torch.Tensor]:
    reward = Ensemble(EnsembleOptions(members=1, hidden=(8,)), CONTEXT)
    clips = segments(20, 0)
    queries = [Query.of("run", i, clips[2 * i : 2 * i + 2]) for i in range(10)]
    answers = [Preference.of(query, Tiers(((0,), (1,))), source="s") for query in queries]
    loss = build_loss([(1.0, "bradley_terry", LOSSES["bradley_terry"].options())], LOSSES)
    settings = FitSettings(epochs=3, batch_size=4, validation=0, stop_accuracy=None)
    trainer = Trainer(reward, loss, settings, [], [], seed=0, unlabelled=unlabelled)
    gathered = gather(answers, {query.id: query for query in queries}, {}, reward, 0)
    trainer.fit(gathered, 1, 0, unjudged(segments(30, 1), reward) if pairs else None)
    return [parameter.detach().clone() for parameter in reward.members[0].parameters()]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_threshold_above_one_is_the_supervised_fit_bit_for_bit() -> None:
    plain = weights_after(None, pairs=False)
    assert same(weights_after(UnlabelledSettings(threshold=1.01), pairs=True), plain)
    assert not same(weights_after(UnlabelledSettings(threshold=0.501), pairs=True), plain)


@pytest.mark.parametrize(("threshold", "expected"), [(0.7, 0.313262 / 2), (0.9, 0.0)])
def test_the_loss_counts_sure_pairs_and_divides_by_all(threshold: float, expected: float) -> None:
    """Scores of +1 and 0 on every other pair: p = 0.731; of 0 and 0 on the rest: never sure."""
    reward = Ensemble(EnsembleOptions(members=1, hidden=(8,)), CONTEXT)
    pairs = unjudged(segments(40, 0), reward)

    def scoring(pairs: Any, index: torch.Tensor, training: bool, generator: torch.Generator) -> Any:
        sure = (index[:, 0] // 2 % 2 == 0).float()
        return type("Scores", (), {"s": torch.stack([sure, torch.zeros_like(sure)], 1)})

    settings = UnlabelledSettings(threshold=threshold, batches=1)
    loss = PseudoLabels(settings, torch.Generator().manual_seed(0)).loss(scoring, pairs, 40_000)
    assert float(loss) == pytest.approx(expected, abs=3e-3)
