from __future__ import annotations

import pytest

from prefrl.doors import built_in
from prefrl.plugins import KINDS, PluginHost


@pytest.fixture(scope="module")
def host() -> PluginHost:
    host = PluginHost(strict=True)
    host.admit(built_in())
    return host


def test_a_run_needs_nothing_but_a_source_beside_the_built_ins(host: PluginHost) -> None:
    offered = {kind: list(host.specs(kind)) for kind in KINDS}
    assert "file" in offered["sources"]
    assert {"disagreement", "uniform"} <= set(offered["selectors"])
    assert {"ensemble", "true_reward"} <= set(offered["reward_models"])
    assert {"bradley_terry", "plackett_luce"} <= set(offered["losses"])
    assert "ppo" in offered["learners"]
    assert "online" in offered["procedures"]
    assert {"random", "entropy"} <= set(offered["pretrainers"])
    assert "crop" in offered["augmentations"]


def test_every_built_in_has_a_line_for_people(host: PluginHost) -> None:
    for kind in KINDS:
        for spec in host.specs(kind).values():
            assert spec.summary
            assert "\n" not in spec.summary
            assert not spec.summary.endswith(".")


def test_only_the_ground_truth_arm_reads_the_true_reward(host: PluginHost) -> None:
    readers = [
        (kind, spec.name)
        for kind in KINDS
        for spec in host.specs(kind).values()
        if not callable(spec.needs) and {"true_reward", "privileged_factors"} & spec.needs
    ]
    assert readers == [("reward_models", "true_reward")]
