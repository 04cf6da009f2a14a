"""Both tasks keep Gymnasium's contract, are what their metadata says, and their factors give no more away than declared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from prefrl_envs import cheetah, reach
from prefrl_envs.task import OBS_LIMIT, Array, Named, State, Task, TaskEnv

R2_LIMIT = 0.95
TASKS: dict[str, Task] = {"Reach-v0": reach.TASK, "Cheetah-v0": cheetah.TASK}


class Rollout(NamedTuple):
    """N steps of a task, in order; `ends` are the last steps of episodes."""

    before: State
    action: Array
    after: State
    reward: Array
    infos: list[dict[str, Any]]
    ends: list[int]


def make(name: str) -> TaskEnv:
    env = gymnasium.make(f"prefrl_envs:{name}").unwrapped
    assert isinstance(env, TaskEnv)
    return env


def to_target(state: State, _: int, rng: np.random.Generator) -> Array:
    """Pull the fingertip to the target by the transposed Jacobian, brake the joints."""
    first, second = state.qpos[0, 0], state.qpos[0, 0] + state.qpos[0, 1]
    elbow = reach.LINKS[1] * np.array([-np.sin(second), np.cos(second)])
    shoulder = reach.LINKS[0] * np.array([-np.sin(first), np.cos(first)]) + elbow
    error = state.qpos[0, 2:4] - reach.fingertip(state)[0]
    return 60 * np.array([shoulder @ error, elbow @ error]) - 0.1 * state.qvel[0, :2] + 0.1 * rng.standard_normal(2)


def gallop(_: State, step: int, rng: np.random.Generator) -> Array:
    """An open-loop gait found by random search; it runs at 2 to 3 m/s where it does not trip."""
    size = np.array([1.0, 0.0, 0.6, 1.0, 1.0, 0.0])
    phase = np.array([5.2, 2.6, 4.5, 4.3, 2.4, 4.4])
    middle = np.array([-0.1, 0.1, 0.0, -0.6, 0.0, -0.3])
    swing = size * np.sin(2 * np.pi * 3.7 * step * cheetah.DT + phase)
    return middle + swing + 0.1 * rng.standard_normal(6)


MOVING: dict[str, Callable[[State, int, np.random.Generator], Array]] = {"Reach-v0": to_target, "Cheetah-v0": gallop}


def roll(name: str, moving: bool, episodes: int, steps: int) -> Rollout:
    env, rng = make(name), np.random.default_rng(0)
    befores, actions, afters, rewards, infos, ends = [], [], [], [], [], []
    for episode in range(episodes):
        env.reset(seed=episode)
        for step in range(steps):
            before = State(env.data.qpos[None].copy(), env.data.qvel[None].copy())
            action = MOVING[name](before, step, rng) if moving else rng.uniform(-1, 1, env.action_space.shape or ())
            action = np.clip(action, -1, 1)
            _, reward, _, _, info = env.step(action)
            befores.append(before)
            actions.append(action)
            afters.append(State(env.data.qpos[None].copy(), env.data.qvel[None].copy()))
            rewards.append(reward)
            infos.append(info)
        ends.append(len(rewards) - 1)
    return Rollout(stacked(befores), np.array(actions), stacked(afters), np.array(rewards), infos, ends)


def stacked(states: list[State]) -> State:
    return State(np.concatenate([s.qpos for s in states]), np.concatenate([s.qvel for s in states]))


Rollouts = dict[tuple[str, bool], Rollout]


@pytest.fixture(params=TASKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def rollouts() -> Rollouts:
    """By task and whether the policy moves with intent."""
    length = {"Reach-v0": (40, 50), "Cheetah-v0": (8, 250)}
    return {(name, moving): roll(name, moving, *length[name]) for name in TASKS for moving in (False, True)}


def test_gymnasiums_own_check_passes_without_a_warning(name: str) -> None:
    check_env(make(name), skip_render_check=True)


def test_horizon_is_fixed_and_nothing_terminates() -> None:
    for name, horizon in (("Reach-v0", 50), ("Cheetah-v0", 1000)):
        env = gymnasium.make(f"prefrl_envs:{name}")
        env.reset(seed=0)
        env.action_space.seed(0)
        ends = [env.step(env.action_space.sample())[2:4] for _ in range(horizon)]
        assert ends == [(False, False)] * (horizon - 1) + [(False, True)]


def test_a_seed_decides_everything(name: str) -> None:
    def episode(seed: int) -> list[Any]:
        env = make(name)
        rng = np.random.default_rng(1)
        first = env.reset(seed=seed)[0]
        return [first, *(env.step(rng.uniform(-1, 1, env.action_space.shape or ()))[:2] for _ in range(20))]

    assert repr(episode(3)) == repr(episode(3))
    assert not np.array_equal(episode(3)[0], episode(4)[0])


def test_metadata_names_exactly_what_info_and_observations_hold(name: str, rollouts: Rollouts) -> None:
    env = make(name)
    declared = env.metadata["prefrl"]
    for info in rollouts[name, False].infos[:3]:
        assert list(info["factors"]) == list(declared["factors"])
        assert list(info["costs"]) == list(declared["costs"])
        assert all(type(value) is float for value in (*info["factors"].values(), *info["costs"].values()))
        assert type(info["success"]) is bool
    assert len(declared["observations"]) == len(set(declared["observations"])) == env.reset()[0].size
    assert all(entry.endswith("]") for entry in declared["observations"])
    assert all(value["unit"] and value["summary"] for value in declared["factors"].values())
    assert declared["task"].endswith(".")
    assert declared["camera"] in [env.model.camera(i).name for i in range(env.model.ncam)]
    assert env.metadata["render_fps"] == pytest.approx(1 / env.dt)


def test_the_environment_is_its_batched_functions(name: str, rollouts: Rollouts) -> None:
    """One call about all recorded steps gives what the environment said step by step."""
    task, rollout = TASKS[name], rollouts[name, True]
    moved = rollout.before, rollout.action, rollout.after
    assert sum(task.rewards(*moved).values()) == pytest.approx(rollout.reward, abs=1e-12)
    for key, batch in (("factors", task.measure(*moved)), ("costs", task.charge(*moved))):
        for quantity, values in batch.items():
            assert values == pytest.approx([info[key][quantity] for info in rollout.infos], abs=1e-12)
    assert task.success(rollout.after).tolist() == [info["success"] for info in rollout.infos]


def test_a_batch_of_beginnings_is_a_batch_of_states(name: str) -> None:
    env, rng = make(name), np.random.default_rng(0)
    rest = State(np.tile(env.init_qpos, (500, 1)), np.tile(env.init_qvel, (500, 1)))
    start = TASKS[name].initial(rng, rest)
    assert start.qpos.shape == rest.qpos.shape
    assert start.qvel.shape == rest.qvel.shape
    assert np.array_equal(rest.qpos[3], env.init_qpos)  # the model's own is left alone
    assert TASKS[name].observe(start).shape == (500, len(TASKS[name].observations))
    assert len(np.unique(TASKS[name].observe(start), axis=0)) == 500


def test_a_restored_state_goes_on_the_same_way(name: str) -> None:
    env, spec = make(name), mujoco.mjtState.mjSTATE_INTEGRATION
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (20, env.model.nu))
    state = np.zeros(mujoco.mj_stateSize(env.model, spec))
    for action in actions[:10]:
        env.step(action)
    mujoco.mj_getState(env.model, env.data, state, spec)
    ahead = [env.step(action)[0] for action in actions[10:]]
    env.reset(seed=9)
    mujoco.mj_setState(env.model, env.data, state, spec)
    assert np.array_equal(ahead, [env.step(action)[0] for action in actions[10:]])


def test_actions_beyond_the_limits_count_as_the_limits(name: str) -> None:
    wild, tame = make(name), make(name)
    wild.reset(seed=0)
    tame.reset(seed=0)
    action = np.ones(wild.model.nu)
    a, b = wild.step(5 * action), tame.step(action)
    assert np.array_equal(a[0], b[0])
    assert a[1] == b[1]
    assert a[4] == b[4]


def test_observations_stay_within_their_bounds(name: str) -> None:
    env = make(name)
    env.reset(seed=0)
    env.data.qpos[2] = 500.0  # the target far off, the cheetah's pitch after many somersaults
    obs = env.step(np.zeros(env.model.nu))[0]
    assert np.abs(obs).max() == OBS_LIMIT
    assert env.observation_space.contains(obs)


# --- what the factors give away ------------------------------------------------------------------------------------


def explained(inputs: list[Array], target: Array) -> float:
    """R^2 of the best linear map of `inputs` (with a constant) to `target`."""
    design = np.column_stack([*inputs, np.ones(len(target))])
    fitted = design @ np.linalg.lstsq(design, target)[0]
    return float(1 - np.var(target - fitted) / np.var(target))


def targets(name: str, rollout: Rollout) -> Named:
    """Each term of the designed reward, and the reward."""
    return {**TASKS[name].rewards(rollout.before, rollout.action, rollout.after), "reward": rollout.reward}


@pytest.mark.parametrize("moving", [False, True])
def test_what_alone_gives_a_reward_term_away_is_privileged(name: str, moving: bool, rollouts: Rollouts) -> None:
    task, rollout = TASKS[name], rollouts[name, moving]
    for factor, x in task.measure(rollout.before, rollout.action, rollout.after).items():
        curve = [x, x**2, x**3, np.abs(x)]  # a function of a term counts, not only a multiple
        best = max(explained(curve, y) for y in targets(name, rollout).values())
        assert (best > R2_LIMIT) == task.factors[factor].privileged, f"{factor}: R^2 {best:.3f}"


@pytest.mark.parametrize("moving", [False, True])
def test_unprivileged_factors_together_do_not_rebuild_the_reward(name: str, moving: bool, rollouts: Rollouts) -> None:
    task, rollout = TASKS[name], rollouts[name, moving]
    values = task.measure(rollout.before, rollout.action, rollout.after)
    free = [values[factor] for factor, quantity in task.factors.items() if not quantity.privileged]
    assert len(free) >= 4  # enough to judge by
    for term, y in targets(name, rollout).items():
        assert explained(free, y) <= R2_LIMIT, term
        assert explained([*free, *(a * b for a in free for b in free)], y) <= R2_LIMIT, f"{term}, with products"


# --- the geometry and what each task means ---------------------------------------------------------------------------


def test_reach_knows_its_fingertip_and_target() -> None:
    env = make("Reach-v0")
    for seed in range(5):
        env.reset(seed=seed)
        mujoco.mj_forward(env.model, env.data)
        state = State(env.data.qpos[None], env.data.qvel[None])
        tip, target = env.data.site("fingertip").xpos[:2], env.data.body("target").xpos[:2]
        assert reach.fingertip(state)[0] == pytest.approx(tip, abs=1e-12)
        assert reach.distance(state)[0] == pytest.approx(np.linalg.norm(tip - target), abs=1e-12)
        assert np.linalg.norm(target) < reach.LINKS.sum()


def test_reach_is_solved_by_going_to_the_target_and_not_by_chance(rollouts: Rollouts) -> None:
    share = {
        moving: np.mean([rollout.infos[end]["success"] for end in rollout.ends])
        for moving in (False, True)
        for rollout in [rollouts["Reach-v0", moving]]
    }
    assert share[True] > 0.7
    assert share[False] < 0.2
    assert rollouts["Reach-v0", True].reward.mean() > rollouts["Reach-v0", False].reward.mean() + 0.3


def test_cheetah_knows_its_toes_and_motors() -> None:
    env = make("Cheetah-v0")
    assert np.array_equal(env.model.actuator_gear[:, 0], cheetah.GEAR)
    rng = np.random.default_rng(0)
    for _ in range(5):
        env.data.qpos[:] = rng.uniform(-1, 1, 9)
        mujoco.mj_forward(env.model, env.data)
        toes = [env.data.site(f"{leg}_toe").xpos[2] for leg in ("back", "front")]
        assert cheetah.toe_heights(State(env.data.qpos[None], env.data.qvel[None]))[0] == pytest.approx(toes, abs=1e-12)


def test_cheetah_reward_adds_up_to_the_distance_it_covered(rollouts: Rollouts) -> None:
    rollout = rollouts["Cheetah-v0", True]
    forward = cheetah.rewards(rollout.before, rollout.action, rollout.after)["forward"]
    per_episode = np.split(forward, np.array(rollout.ends[:-1]) + 1)
    assert [f.sum() * cheetah.DT for f in per_episode] == pytest.approx(rollout.after.qpos[rollout.ends, 0], abs=1e-9)
    assert rollout.after.qpos[rollout.ends, 0].max() > 10  # a gait gets somewhere


def test_cheetah_stands_by_itself() -> None:
    env = make("Cheetah-v0")
    env.reset(seed=0)
    for _ in range(40):
        info = env.step(np.zeros(6))[4]
    factors = info["factors"]
    assert abs(factors["torso_pitch"]) < 0.2
    assert 0.03 < factors["back_toe_height"] < 0.06
    assert 0.03 < factors["front_toe_height"] < 0.06


def test_cheetah_succeeds_after_a_hundred_metres() -> None:
    qpos = np.zeros((2, 9))
    qpos[:, 0] = 99.9, 100.0
    assert cheetah.success(State(qpos, np.zeros((2, 9)))).tolist() == [False, True]


def test_energy_is_the_work_the_motors_do(name: str) -> None:
    """Against the simulator's own motor forces and joint speeds, in steps so short that they hardly change."""
    env = make(name)
    task, gear, joints = TASKS[name], env.model.actuator_gear[:, 0], env.model.actuator_trnid[:, 0]
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(10):
        action = rng.uniform(-1, 1, env.model.nu)
        env.step(action)
        speeds = env.data.qvel[env.model.jnt_dofadr[joints]]
        state = State(env.data.qpos[None].copy(), env.data.qvel[None].copy())
        (energy,) = task.charge(state, action[None], state).values()
        assert energy[0] == pytest.approx(np.abs(gear * action * speeds).sum() * env.dt)
        assert task.charge(state, 0 * action[None], state)["energy"][0] == 0


def test_it_needs_no_prefrl_and_registering_loads_no_simulator() -> None:
    code = "import sys, prefrl_envs; print('mujoco' in sys.modules); import prefrl_envs.reach, prefrl_envs.cheetah; "
    code += "print('prefrl' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]
