"""Gymnasium's own MuJoCo tasks are what `factors` says of them, and no unmarked factor gives their reward away."""

from __future__ import annotations

import functools
import subprocess
import sys
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pytest

from prefrl.rollout.environments import make
from prefrl.rollout.factors import NEVER_END, TASKS
from prefrl.rollout.vectorised import information
from prefrl.settings import EnvSettings

R2_LIMIT = 0.95


class Rollout(NamedTuple):
    infos: list[dict[str, Any]]
    factors: dict[str, Any]  # name -> (N,)
    change: dict[str, Any]  # name -> (N,), since the step before in the episode; 0 in the first
    reward: Any
    fell: int


@functools.cache
def roll(id: str, hold: int) -> Rollout:
    """300 random steps, each action held for `hold` of them."""
    env = make(EnvSettings(id=id))
    rng = np.random.default_rng(0)
    box = env.action_space
    assert isinstance(box, gym.spaces.Box)
    infos, rewards, begins, fell = [], [], [0], 0
    env.reset(seed=0)
    for step in range(300):
        if step % hold == 0:
            action = rng.uniform(box.low, box.high).astype(np.float32) / (1 if hold == 1 else 2)
        _, reward, terminated, truncated, info = env.step(action)
        infos.append(info)
        rewards.append(reward)
        fell += terminated
        if terminated or truncated:
            env.reset()
            begins.append(step + 1)
    values = {name: np.array([info["factors"][name] for info in infos]) for name in TASKS[id].factors}
    change = {name: np.diff(value, prepend=value[:1]) for name, value in values.items()}
    for each in change.values():
        each[[begin for begin in begins if begin < 300]] = 0
    return Rollout(infos, values, change, np.array(rewards), fell)


@pytest.fixture(params=sorted(TASKS))
def id(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_all_of_gymnasiums_own_are_known() -> None:
    own = {
        name for name, spec in gym.registry.items()
        if name.endswith("-v5") and str(spec.entry_point).startswith("gymnasium.envs.mujoco")
    }  # fmt: skip
    assert own == set(TASKS)


def test_every_number_of_the_info_is_named_and_read_right(id: str) -> None:
    info = roll(id, 1).infos[-1]
    numbers = {name for name, value in info.items() if isinstance(value, (int, float, np.number))}
    assert numbers <= set(TASKS[id].factors)
    assert all(info["factors"][name] == pytest.approx(float(info[name])) for name in numbers)
    assert all(type(value) is float for value in (*info["factors"].values(), *info["costs"].values()))
    assert info["costs"]["energy"] > 0


def test_a_run_knows_them(id: str) -> None:
    info = information(EnvSettings(id=id))
    assert {name: (f.unit, f.privileged) for name, f in info.factors.items()} == {
        name: (q.unit, q.privileged) for name, q in TASKS[id].factors.items()
    }
    assert all(factor.unit and factor.summary for factor in info.factors.values())
    assert info.costs == ("energy",)
    assert info.task == TASKS[id].text
    assert info.task.endswith(".")


def explained(inputs: list[Any], target: Any) -> float:
    """R^2 of the best linear map of `inputs` (with a constant) to `target`."""
    design = np.column_stack([*inputs, np.ones(len(target))])
    fitted = design @ np.linalg.lstsq(design, target)[0]
    return float(1 - np.var(target - fitted) / np.var(target))


@pytest.mark.parametrize("hold", [1, 10])
def test_what_gives_a_reward_term_away_is_privileged(id: str, hold: int) -> None:
    rollout, factors = roll(id, hold), TASKS[id].factors
    terms = {name: x for name, x in rollout.factors.items() if name.startswith("reward_") or name.endswith("_penalty")}
    assert all(factors[name].privileged for name in terms)
    targets = [y for y in (*terms.values(), rollout.reward) if np.ptp(y) > 1e-9]  # who never falls is always healthy
    free = []
    for name, x in rollout.factors.items():
        if not factors[name].privileged:
            curves = [[x, x**2, x**3, np.abs(x)], [rollout.change[name]]]
            best = max((explained(curve, y) for y in targets for curve in curves), default=0.0)
            assert best <= R2_LIMIT, f"{name}: R^2 {best:.3f}"
            free.append(x)
    assert len(free) >= 2
    assert max((explained(free, y) for y in targets), default=0.0) <= R2_LIMIT


def test_privileged_factors_earn_the_mark() -> None:
    """Those that are no terms themselves: each gives a term away, by its value or by its change."""
    for id in ("HalfCheetah-v5", "HumanoidStandup-v5", "Swimmer-v5"):
        rollout = roll(id, 10)
        for name, quantity in TASKS[id].factors.items():
            if quantity.privileged and not name.startswith(("reward_", "distance_")):
                inputs = [rollout.factors[name], rollout.change[name]]
                terms = [x for term, x in rollout.factors.items() if term.startswith("reward_")]
                assert max(explained(inputs, y) for y in terms) > R2_LIMIT, name


def test_those_said_never_to_end_do_not_know_how_to(id: str) -> None:
    if id in NEVER_END:
        assert roll(id, 1).fell == 0
        with pytest.raises(TypeError, match="terminate_when_unhealthy"):
            gym.make(id, terminate_when_unhealthy=False)
    elif id != "Ant-v5":  # it seldom falls in 300 steps
        assert roll(id, 1).fell > 0


def test_motion_is_what_a_still_robot_has_none_of(id: str) -> None:
    env = make(EnvSettings(id=id))
    env.reset(seed=0)
    task: Any = env.unwrapped
    task.set_state(task.data.qpos, 0 * task.data.qvel)
    task.data.ctrl[:] = task.data.actuator_force[:] = 0
    known = TASKS[id].factors
    read = {name: q.read({}, task) for name, q in known.items() if name not in roll(id, 1).infos[0]}
    for name, value in read.items():
        if known[name].motion:
            assert value == 0, name
    assert TASKS[id].costs["energy"].read({}, task) == 0
    assert all(known[name].motion == known[name].unit.endswith("/s") for name in known if known[name].unit != "1")


def test_reading_the_facts_loads_no_simulator() -> None:
    code = "import sys, prefrl.rollout.factors; print({'gymnasium', 'mujoco', 'torch'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
