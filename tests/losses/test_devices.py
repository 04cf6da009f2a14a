"""No loss makes a tensor without saying where: what is made elsewhere than the scores is found by a default device of no data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from prefrl.losses import Kind, Labels, PrefLoss, Scores
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build
from prefrl.losses.parts import LINKS, PAIR_WEIGHTS, TRANSFORMS
from prefrl.losses.registered import losses
from prefrl.testing.losses import example

SPECS = [SimpleNamespace(**{"requires": frozenset(), **one}) for one in losses()]
PARTS: list[dict[str, Any]] = [
    *({"link": link} for link in LINKS),
    *({"pair_weight": weight} for weight in PAIR_WEIGHTS),
    *({"transform": [name]} for name in TRANSFORMS if name != "standardise_by_group"),
]


def stays_where_the_scores_are(loss: PrefLoss, kind: Kind, requires: frozenset[str]) -> None:
    """Losses are built, and scores and answers made, on the CPU; from then on every unplaced tensor lands on `meta`."""
    given = example(kind, requires, torch.float32)
    scores = given.scores()
    with torch.device("meta"):
        out = loss(scores, given.labels)
        known = loss.probabilities(scores, given.labels)
    assert {out.loss.device.type, out.per_example.device.type, out.weight.device.type} == {"cpu"}
    assert {tensor.device.type for tensor in known or ()} <= {"cpu"}


@pytest.mark.parametrize(
    ("spec", "kind"),
    [(spec, Kind(kind)) for spec in SPECS for kind in sorted(spec.kinds)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_registered_loss_stays_on_the_device_of_the_scores(spec: SimpleNamespace, kind: Kind) -> None:
    stays_where_the_scores_are(spec.build(spec.options()), kind, frozenset(spec.requires))


@pytest.mark.parametrize("options", PARTS, ids=str)
@pytest.mark.parametrize("kind", [Kind.PAIR, Kind.RANK])
def test_a_part_of_a_pair_loss_stays_there_too(options: dict[str, Any], kind: Kind) -> None:
    model = BradleyTerryOptions(**options)
    loss = build(model)
    if kind not in loss.kinds:
        pytest.skip("this part takes no rankings")
    stays_where_the_scores_are(loss, kind, model.design().requires)


def test_an_unplaced_tensor_is_found() -> None:
    class Careless(PrefLoss):
        kinds = frozenset({Kind.PAIR})

        def evaluate(self, scores: Scores, labels: Labels) -> Any:
            return self.reduced((scores.s[:, 0] * torch.ones(len(labels))), labels.weights(scores.s), lambda bag: None)

    with pytest.raises((RuntimeError, AssertionError)):
        stays_where_the_scores_are(Careless(), Kind.PAIR, frozenset())
