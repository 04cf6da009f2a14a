from types import SimpleNamespace

import pytest

from prefrl.losses import Kind
from prefrl.losses.registered import losses
from prefrl.testing.losses import PROMISES

SPECS = [
    SimpleNamespace(**{"requires": frozenset(), "shift_invariant": True, "batch_coupled": False, **r}) for r in losses()
]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_promise(spec, promise):
    for kind in sorted(spec.kinds):
        promise(spec, Kind(kind))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_what_is_registered_is_what_is_built(spec):
    loss = spec.build(spec.options())
    assert loss.kinds == spec.kinds
    assert loss.requires == spec.requires
    assert spec.summary


def test_names_are_unique():
    names = [spec.name for spec in SPECS]
    assert len(set(names)) == len(names)
