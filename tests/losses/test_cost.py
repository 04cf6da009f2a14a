"""No loss loops over pairs: as many operations for two hundred questions as for five, metrics included.

What they cost beside the network whose scores they judge: ``python tests/soak/loss_cost.py``.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from prefrl.losses import Kind, build_loss
from prefrl.plugins import PluginHost
from prefrl.specs import LossSpec
from prefrl.testing.losses import Example, example, rearranged, value_and_gradients

HOST = PluginHost.from_environment(environ={})
SPECS: dict[str, Any] = dict(HOST.specs("losses"))
CASES = [(name, kind) for name, spec in SPECS.items() for kind in sorted(spec.kinds)]


class Counted(TorchDispatchMode):
    """Counts the tensor operations inside, forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        return func(*args, **(kwargs or {}))


def operations(spec: LossSpec, name: str, given: Example) -> int:
    loss = build_loss([(1.0, name, spec.options())], SPECS)
    with Counted() as counted:
        value_and_gradients(loss, given)
        loss(given.scores(), given.labels).metrics.means()
    return counted.operations


@pytest.mark.parametrize(("name", "kind"), CASES, ids=str)
def test_forty_times_the_questions_take_the_same_operations(name: str, kind: str) -> None:
    spec = SPECS[name]
    few = example(Kind(kind), spec.requires)
    many = rearranged(few, queries=torch.arange(len(few.mask)).repeat(40))
    assert operations(spec, name, many) == operations(spec, name, few)


def test_a_loop_over_questions_would_be_seen() -> None:
    with Counted() as few:
        [value * 2 for value in torch.ones(5)]
    with Counted() as many:
        [value * 2 for value in torch.ones(50)]
    assert many.operations > few.operations


def test_the_program_that_measures_the_cost_runs(program: Any) -> None:
    module: ModuleType = program("soak/loss_cost.py")
    told = module.measure(pairs=16, steps=4, hidden=(8, 8), repeats=1, losses=("bradley_terry", "dpo"))
    assert set(told["losses"]) == {"bradley_terry", "dpo"}
    assert told["network_seconds"] > 0
