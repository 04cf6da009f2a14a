import json
from types import SimpleNamespace

import pytest

from prefrl.losses import Kind
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build
from prefrl.losses.parts import LINKS, PAIR_WEIGHTS, TRANSFORMS
from prefrl.losses.registered import losses
from prefrl.testing.losses import PROMISES

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


def test_names_are_unique():
    names = [spec.name for spec in SPECS]
    assert len(set(names)) == len(names)
