"""The weighted sum is alpha^l times the standardised factors of each level, on the factors of a step."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import prefrl_heron
from prefrl.errors import ConfigError, PluginError
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo, Episode, Factor, Segment
from prefrl_heron.weighted import WeightedSum

(SPEC,) = prefrl_heron.prefrl_register_reward_models()
FACTORS = {name: Factor(name, privileged=name == "speed") for name in ("speed", "height", "still")}


class Toy(gym.Env[Any, Any]):
    """speed is the action, height three times minus it; 7 steps an episode."""

    observation_space = action_space = gym.spaces.Box(-1.0, 1.0, (1,))

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        super().reset(**kwargs)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        factors = {"speed": float(action[0]), "height": 5 - 3 * float(action[0]), "still": 1.0}
        return np.zeros(1, np.float32), 0.0, self.steps == 7, False, {"factors": factors}


def model(ranking: Any, **options: Any) -> WeightedSum:
    context = BuildContext("run", "reward", 0, EnvInfo("Toy-v0", (1,), (1,), factors=FACTORS), make_env=Toy)
    options = {"privileged": True} | options
    built: WeightedSum = SPEC.build(SPEC.options(ranking=ranking, **options), context)
    return built


def episode(**factors: list[float]) -> Episode:
    steps = len(next(iter(factors.values())))
    channels = {name: np.array(values) for name, values in factors.items()}
    return Episode("e", np.zeros((steps + 1, 1)), np.zeros((steps, 1)), factors=channels)


def test_each_level_weighs_alpha_of_the_one_above() -> None:
    weighted = model(["speed", {"height": "less"}], alpha=0.25)
    steps = episode(speed=[0.0, 1.0], height=[5.0, 2.0])
    reward = weighted.rewards([steps])["reward"]
    # random actions in [-1, 1]: mean 0, standard deviation 1/sqrt(3), and height says the same as speed
    assert reward == pytest.approx([0.0, 1.25 * np.sqrt(3)], abs=0.1)
    again = model(["speed", {"height": "less"}], alpha=0.25)
    assert (again.rewards([steps])["reward"] == reward).all()  # standardised by the seed alone


def test_a_group_is_summed_and_directions_count() -> None:
    steps = episode(speed=[1.0], height=[2.0])
    (opposed,) = model([{"speed": "more", "height": "more"}]).rewards([steps])["reward"]
    assert opposed == pytest.approx(0.0, abs=1e-9)


def test_returns_are_sums_of_rewards() -> None:
    weighted = model(["speed"])
    steps = episode(speed=[0.5, -0.25, 1.0])
    clip = Segment.of(steps.obs, steps.action, factors=steps.factors)
    assert weighted.returns([clip]) == pytest.approx(np.array([[weighted.rewards([steps])["reward"].sum()]]))


def test_nothing_is_asked_and_nothing_fitted() -> None:
    assert not SPEC.trained
    assert model(["speed"]).scorers() == ()
    assert SPEC.needs_of(SPEC.options(ranking=["height"])) == {"factors", "env"}


def test_its_state_is_its_scale() -> None:
    one, other = model(["speed"]), model(["speed"], steps=5)
    steps = episode(speed=[0.5])
    assert one.rewards([steps])["reward"] != other.rewards([steps])["reward"]
    other.load_state_dict(one.state_dict())
    assert one.rewards([steps])["reward"] == other.rewards([steps])["reward"]


def test_what_it_cannot_rank() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'height'"):
        model(["hieght"])
    with pytest.raises(ConfigError, match="gives the designed reward"):
        model(["speed"], privileged=False)
    with pytest.raises(PluginError, match=r"no ranked factor \(still\) varies over 2000 random steps"):
        model(["still"], privileged=False)
