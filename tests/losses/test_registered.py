import json
from types import SimpleNamespace

import pytest
import torch

from prefrl.losses import Kind, Labels, PrefLoss, Scores
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build
from prefrl.losses.parts import LINKS, PAIR_WEIGHTS, TRANSFORMS
from prefrl.losses.registered import losses
from prefrl.options import NoOptions
from prefrl.testing.losses import PROMISES, check_loss

SPECS = [
    SimpleNamespace(**{"requires": frozenset(), "shift_invariant": True, "batch_coupled": False, **r}) for r in losses()
]


def variant(**options):
    """Bradley-Terry with other parts, as a spec of its own."""
    design = BradleyTerryOptions(**options).design()
    return SimpleNamespace(
        name="bradley_terry " + " ".join(map(str, options.values())), options=lambda: BradleyTerryOptions(**options), build=build,
        kinds=design_kinds, requires=design.requires, shift_invariant=design.shift_invariant, batch_coupled=False,
    )  # fmt: skip


design_kinds = frozenset({"pair", "grade"})
MOVING = {
    "focal",
    "policy_likelihood",
}  # weights that change with the scores: no gradient flows, so none can be checked
VARIANTS = [
    *(variant(link=link) for link in LINKS),
    *(variant(pair_weight=weight) for weight in PAIR_WEIGHTS if weight not in MOVING),
    *(variant(transform=[name]) for name in TRANSFORMS if name != "standardise_by_group"),
    *(variant(label_tf=[name]) for name in ("smooth_flip", "smooth_uniform", "margin")),
]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("spec", SPECS + VARIANTS, ids=lambda spec: spec.name)
def test_promise(spec, promise):
    for kind in sorted(spec.kinds):
        promise(spec, Kind(kind))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_what_is_registered_is_what_is_built(spec):
    loss = spec.build(spec.options())
    assert loss.kinds == spec.kinds
    assert loss.requires == spec.requires
    assert spec.summary


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_options_dump_to_valid_input(spec):
    chosen = spec.options()
    assert spec.options(**json.loads(json.dumps(chosen.model_dump(mode="json")))) == chosen
    assert spec.options.model_json_schema()["type"] == "object"


def test_a_broken_loss_is_caught():
    """The suite itself: a loss that forgets weights and masks is told which promises it breaks."""

    class Forgetful(PrefLoss):
        kinds = frozenset({Kind.PAIR})

        def evaluate(self, scores, labels):
            row = torch.nn.functional.softplus(scores.s[:, 1] - scores.s[:, 0]) + scores.s.sum(1) / 1e3
            return self.reduced(row, torch.ones_like(row), lambda bag: None)

    spec = SimpleNamespace(
        name="x/forgetful", options=NoOptions, build=lambda options: Forgetful(), kinds={"pair"}, requires=frozenset(),
        shift_invariant=True, batch_coupled=False, vectors=[(Scores.of(torch.zeros(1, 2)), first_wins(), 0.5)],
    )  # fmt: skip
    broken = {promise.split(" ")[0] for promise, seen in check_loss(spec).items() if seen}
    assert broken == {
        "keeps_its_vectors", "ignores_skipped_queries", "is_zero_when_all_is_skipped", "ignores_the_order_of_items",
        "ignores_a_constant_if_declared",
    }  # fmt: skip


def first_wins():
    return Labels(Kind.PAIR, pref=torch.ones(1))


def test_names_are_unique():
    names = [spec.name for spec in SPECS]
    assert len(set(names)) == len(names)
