"""An environment is made as its author meant it, and every mistake in naming one is a sentence with a cure."""

from __future__ import annotations

import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from prefrl.errors import ConfigError, EnvironmentMissing, PrefrlError
from prefrl.rollout.environments import describe, factors_of, flat, flat_shape, make, mujoco_of, spec_of
from prefrl.rollout.recording import RecordedEnv
from prefrl.rollout.vectorised import information
from prefrl.settings import EnvSettings
from prefrl.types import Factor

MISTAKES: dict[str, tuple[dict[str, Any], type[PrefrlError], int, tuple[str, ...]]] = {
    "unknown id": ({"id": "HalfCheeta-v5"}, ConfigError, 2, ("env.id", "'HalfCheeta-v5'", "Did you mean 'HalfCheetah-v5'?")),
    "nothing near": ({"id": "Qqqqqqqqqq-v0"}, ConfigError, 2, ("registered Gymnasium ids",)),
    "malformed": ({"id": "Half Cheetah!"}, ConfigError, 2, ("env.id",)),
    "version": ({"id": "CartPole-v99"}, ConfigError, 2, ("Did you mean 'CartPole-v",)),
    "no module": ({"id": "no_such_module:Task-v0"}, ConfigError, 2, ("the module 'no_such_module', which is not installed",)),
    "not in it": ({"id": "prefrl_envs:Reachh-v0"}, ConfigError, 2, ("no environment 'prefrl_envs:Reachh-v0'",)),
    "kwargs": ({"id": "Drift-v0", "kwargs": {"bordr": 1}}, ConfigError, 2, ("env.kwargs", "'bordr'")),
    "off": ({"id": "CartPole-v1", "termination": "off"}, ConfigError, 2, ("env.termination", "keep or absorb")),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_sentence(case: str) -> None:
    given, kind, code, fragments = MISTAKES[case]
    with pytest.raises(kind) as caught:
        make(EnvSettings(**given))
    assert type(caught.value) is kind
    assert caught.value.exit_code == code
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_a_module_that_lacks_a_package_names_the_package(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_installed_task.py").write_text("import no_such_simulator\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(EnvironmentMissing, match="needs the package 'no_such_simulator'") as caught:
        make(EnvSettings(id="half_installed_task:Task-v0"))
    assert caught.value.exit_code == 3
    sys.modules.pop("half_installed_task", None)


def test_an_optional_dependency_that_lacks_is_the_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(**kwargs: Any) -> Any:
        raise gym.error.DependencyNotInstalled("box2d is not installed, run pip install")

    monkeypatch.setitem(gym.registry, "Lacking-v0", gym.envs.registration.EnvSpec("Lacking-v0", entry_point=lacking))
    with pytest.raises(EnvironmentMissing, match="'Lacking-v0' needs more packages: box2d"):
        make(EnvSettings(id="Lacking-v0"))


def test_old_versions_are_the_users_choice() -> None:
    make(EnvSettings(id="CartPole-v0")).close()  # warnings are errors here


def test_what_a_task_says_of_itself_is_known() -> None:
    info = information(EnvSettings(id="Drift-v0"))
    assert (info.id, info.obs_shape, info.action_shape, info.discrete_actions) == ("Drift-v0", (2,), (2,), None)
    assert (info.max_episode_steps, info.dt, info.has_states) == (7, None, False)
    assert info.factors == {"speed": Factor("speed", "m/s"), "height": Factor("height", privileged=False)}
    assert (info.costs, info.task) == (("energy",), "stay near the middle")
    assert info.observations == ("position [m]", "height [m]")


def test_numbers_of_an_unknown_tasks_info_are_privileged_factors() -> None:
    info = information(EnvSettings(id="Bare-v0"))
    assert info.factors == {"speed": Factor("speed"), "lost": Factor("lost")}
    assert all(factor.privileged for factor in info.factors.values())


def test_a_mujoco_task_has_states_and_a_time_step() -> None:
    info = information(EnvSettings(id="prefrl_envs:Reach-v0"))
    assert info.has_states
    assert info.dt == pytest.approx(0.04)
    assert info.max_episode_steps == 50


def test_discrete_actions_are_counted() -> None:
    info = information(EnvSettings(id="CartPole-v1"))
    assert (info.discrete_actions, info.action_shape) == (2, ())


def test_other_actions_are_refused() -> None:
    env = gym.make("Drift-v0")
    env.action_space = gym.spaces.MultiBinary(3)
    with pytest.raises(ConfigError, match="MultiBinary actions; Box and Discrete are supported"):
        describe(env, "Drift-v0")


def test_a_factor_that_a_step_does_not_name_is_unknown() -> None:
    names = {"speed": Factor("speed"), "height": Factor("height")}
    values = factors_of({"factors": {"speed": 1}}, names)
    assert values["speed"] == 1.0
    assert np.isnan(values["height"])


def test_the_record_is_taken_before_the_reset() -> None:
    env = RecordedEnv(gym.make("Drift-v0"), information(EnvSettings(id="Drift-v0")))
    action = np.array([1.0, 0.0], np.float32)
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(action)
    own = info["prefrl"]
    action[:] = 0  # what was executed is a copy
    assert own["action"].tolist() == [1.0, 0.0]
    assert (own["true_reward"], own["terminated"]) == (reward, terminated)
    assert own["factors"]["speed"] == 1.0
    assert own["state"] is None


def test_one_observation_has_one_shape() -> None:
    assert flat_shape(gym.spaces.Discrete(4)) == (1,)
    assert flat(gym.spaces.Discrete(4), 3).tolist() == [3]
    parts = gym.spaces.Tuple([gym.spaces.Discrete(3), gym.spaces.Box(-1, 1, (2,))])
    assert flat_shape(parts) == (5,)
    assert flat(parts, (1, np.array([0.5, -0.5], np.float32))).tolist() == [0, 1, 0, 0.5, -0.5]
    with pytest.raises(ConfigError, match="no fixed shape"):
        flat_shape(gym.spaces.Sequence(gym.spaces.Discrete(2)))


def test_an_id_with_its_module_finds_its_spec() -> None:
    assert spec_of("prefrl_envs:Reach-v0").max_episode_steps == 50


def test_dm_control_without_its_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dm_control", None)  # importing it fails, whether it is installed or not
    with pytest.raises(EnvironmentMissing, match=r"needs the package 'dm_control.*'; install prefrl\[dmc\]"):
        make(EnvSettings(id="dm_control/cheetah-run-v0"))


def test_dm_controls_parts_are_one_vector_and_its_states_are_recorded() -> None:
    pytest.importorskip("dm_control", reason="prefrl[dmc] is not installed")
    pytest.importorskip("shimmy", reason="prefrl[dmc] is not installed")
    env = make(EnvSettings(id="dm_control/cheetah-run-v0"))
    assert env.observation_space.shape == (17,)
    info = describe(env, "dm_control/cheetah-run-v0")
    assert (info.obs_shape, info.has_states, info.factors) == ((17,), True, {})
    obs, _ = env.reset(seed=0)
    found = mujoco_of(env)
    assert found is not None
    data = found[1]
    assert obs == pytest.approx([*data.qpos[1:], *data.qvel])
    ends = [env.step(env.action_space.sample())[2:4] for _ in range(1000)]
    assert ends == [(False, False)] * 999 + [(False, True)]
