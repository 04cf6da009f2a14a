from __future__ import annotations

import numpy as np
import pytest

from prefrl.bonuses import Disagreement
from prefrl.rewards.options import DisagreementOptions
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo, Episode

CONTEXT = BuildContext(run="r", name="bonus", seed=0, env=EnvInfo("Toy-v0", (1,), (1,)))
EPISODE = Episode("e", np.zeros((4, 1)), np.zeros((3, 1)))


def test_the_bonus_is_what_members_do_not_agree_on_and_decays() -> None:
    bonus = Disagreement(DisagreementOptions(), CONTEXT)
    assert bonus.weight(0) == 0.05
    assert bonus.weight(100_000) == pytest.approx(0.0183939, abs=1e-7)
    std = np.array([0.0, 1.0, 2.0])
    assert bonus.rewards([EPISODE], {"reward": std, "std": std}, 0).tolist() == [0.0, 0.05, 0.1]


def test_members_that_agree_and_models_without_members_give_none() -> None:
    bonus = Disagreement(DisagreementOptions(), CONTEXT)
    zeros = np.zeros(3)
    assert bonus.rewards([EPISODE], {"reward": np.ones(3), "std": zeros}, 9).tolist() == [0, 0, 0]
    assert bonus.rewards([EPISODE], {"reward": np.ones(3)}, 9).tolist() == [0, 0, 0]
