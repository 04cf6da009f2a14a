"""All tasks keep Gymnasium's contract, are what their metadata says, and their factors give no more away than declared."""

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

from prefrl_envs import armpush, backflip, cheetah, hopper, planar, pointmaze, reach, walker
from prefrl_envs.task import OBS_LIMIT, Array, Named, State, Task, TaskEnv

R2_LIMIT = 0.95
TASKS: dict[str, Task] = {
    "Reach-v0": reach.TASK,
    "ArmPush-v0": armpush.TASK,
    "PointMaze-v0": pointmaze.TASK,
    "Cheetah-v0": cheetah.TASK,
    "PlanarHopper-v0": hopper.TASK,
    "Walker-v0": walker.TASK,
    "HopperBackflip-v0": backflip.TASK,
}
HORIZONS = {
    "Reach-v0": 50, "ArmPush-v0": 50, "PointMaze-v0": 50, "Cheetah-v0": 1000, "PlanarHopper-v0": 500,
    "Walker-v0": 500, "HopperBackflip-v0": 250,
}  # fmt: skip


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


def pull(state: State, links: Array, way: Array) -> Array:
    """Torques that pull a two-link arm's fingertip along `way` by the transposed Jacobian."""
    first, second = state.qpos[0, 0], state.qpos[0, 0] + state.qpos[0, 1]
    elbow = links[1] * np.array([-np.sin(second), np.cos(second)])
    shoulder = links[0] * np.array([-np.sin(first), np.cos(first)]) + elbow
    return np.array([shoulder @ way, elbow @ way])


def to_target(state: State, _: int, rng: np.random.Generator) -> Array:
    """Pull the fingertip to the target, brake the joints."""
    way = state.qpos[0, 2:4] - reach.fingertip(state)[0]
    return 60 * pull(state, reach.LINKS, way) - 0.1 * state.qvel[0, :2] + 0.1 * rng.standard_normal(2)


def push(state: State, _: int, rng: np.random.Generator) -> Array:
    """Go round the block, line up with the goal behind it, push."""
    tip, block, goal = armpush.fingertip(state)[0], state.qpos[0, 2:4], state.qpos[0, 5:7]
    gap = np.linalg.norm(goal - block)
    line = (goal - block) / max(gap, 1e-6)
    side = np.array([-line[1], line[0]])
    along, across = (tip - block) @ line, (tip - block) @ side
    if gap < 0.012:
        wanted = tip
    elif along < -0.045 and abs(across) < 0.02:
        wanted = block + (min(0.1, gap) - 0.06) * line
    elif along < -0.05:
        wanted = block - 0.085 * line
    else:
        wanted = block - 0.09 * line + np.copysign(0.09, across) * side
    return 30 * pull(state, armpush.LINKS, wanted - tip) - 0.1 * state.qvel[0, :2] + 0.1 * rng.standard_normal(2)


def roll_around(state: State, _: int, rng: np.random.Generator) -> Array:
    """To the goal if it is in sight, else to the corner over which the way is shortest."""
    ball, goal = state.qpos[0, :2], state.qpos[0, 2:4]
    ways = {tuple(goal): pointmaze.straight(ball, goal)}
    for corner in pointmaze.CORNERS:
        there = State(np.concatenate([corner, goal])[None], state.qvel)
        ways[tuple(corner * [1.1, 1])] = pointmaze.straight(ball, corner) + pointmaze.distance(there)[0]
    wanted = np.array(min(ways, key=lambda way: ways[way]))
    return 2 * (wanted - ball) - 0.5 * state.qvel[0, :2] + 0.1 * rng.standard_normal(2)


def gallop(_: State, step: int, rng: np.random.Generator) -> Array:
    """An open-loop gait found by random search; it runs at 2 to 3 m/s where it does not trip."""
    size = np.array([1.0, 0.0, 0.6, 1.0, 1.0, 0.0])
    phase = np.array([5.2, 2.6, 4.5, 4.3, 2.4, 4.4])
    middle = np.array([-0.1, 0.1, 0.0, -0.6, 0.0, -0.3])
    swing = size * np.sin(2 * np.pi * 3.7 * step * cheetah.DT + phase)
    return middle + swing + 0.1 * rng.standard_normal(6)


def stride(frequency: float, middle: list[float], size: list[float], phase: list[float], lean: list[float]) -> Policy:
    """Joints follow waves, and lean back against the torso's pitch; the numbers were found by random search."""

    def act(state: State, step: int, rng: np.random.Generator) -> Array:
        wave = np.multiply(size, np.sin(2 * np.pi * frequency * step * planar.DT + np.array(phase)))
        wanted = middle + wave + np.multiply(lean, state.qpos[0, 2])
        joints, speeds = state.qpos[0, 3:], state.qvel[0, 3:]
        return 4 * (wanted - joints) - 0.2 * speeds + 0.1 * rng.standard_normal(len(joints))

    return act


Policy = Callable[[State, int, np.random.Generator], Array]
hop = stride(1.8, [0.37, -0.92, 0.34], [-0.04, 0.5, 0.15], [2.15, 1.28, 4.42], [1.0, 0.57, 2.13])
walk = stride(
    2.44,
    [0.64, -1.03, 0.22, 0.01, -0.65, 0.59],
    [0.17, 0.71, 0.52, 0.31, -0.52, 0.34],
    [0.73, 5.51, 0.01, 4.01, 2.17, 3.92],
    [0.02, -1.43, -0.13, -0.53, 0.44, 0.25],
)
MOVING: dict[str, Policy] = {
    "Reach-v0": to_target,
    "ArmPush-v0": push,
    "PointMaze-v0": roll_around,
    "Cheetah-v0": gallop,
    "PlanarHopper-v0": hop,
    "Walker-v0": walk,
    "HopperBackflip-v0": hop,
}


def roll(name: str, moving: bool, episodes: int, steps: int) -> Rollout:
    env, rng = make(name), np.random.default_rng(0)
    befores, actions, afters, rewards, infos, ends = [], [], [], [], [], []
    while len(rewards) < episodes * steps:  # more and shorter ones where they end early
        env.reset(seed=len(ends))
        for step in range(steps):
            before = State(env.data.qpos[None].copy(), env.data.qvel[None].copy())
            action = MOVING[name](before, step, rng) if moving else rng.uniform(-1, 1, env.action_space.shape or ())
            action = np.clip(action, -1, 1)
            _, reward, terminated, _, info = env.step(action)
            befores.append(before)
            actions.append(action)
            afters.append(State(env.data.qpos[None].copy(), env.data.qvel[None].copy()))
            rewards.append(reward)
            infos.append(info)
            if terminated:
                break
        ends.append(len(rewards) - 1)
    return Rollout(stacked(befores), np.array(actions), stacked(afters), np.array(rewards), infos, ends)


def stacked(states: list[State]) -> State:
    return State(np.concatenate([s.qpos for s in states]), np.concatenate([s.qvel for s in states]))


@pytest.fixture(params=TASKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Rollouts(dict[tuple[str, bool], Rollout]):
    """By task and whether the policy moves with intent; stepped when first asked for."""

    def __missing__(self, key: tuple[str, bool]) -> Rollout:
        self[key] = roll(*key, *{50: (20, 50), 1000: (8, 250)}.get(HORIZONS[key[0]], (8, 120)))
        return self[key]


@pytest.fixture(scope="session")
def rollouts() -> Rollouts:
    return Rollouts()


def test_gymnasiums_own_check_passes_without_a_warning(name: str) -> None:
    check_env(make(name), skip_render_check=True)


def test_the_time_limit_ends_an_episode(name: str) -> None:
    env = gymnasium.make(f"prefrl_envs:{name}", terminate_when_unhealthy=False)
    assert env.spec is not None
    assert env.spec.max_episode_steps == HORIZONS[name]
    env = gymnasium.make(f"prefrl_envs:{name}", terminate_when_unhealthy=False, max_episode_steps=40)
    env.reset(seed=0)
    env.action_space.seed(0)
    ends = [env.step(env.action_space.sample())[2:4] for _ in range(40)]
    assert ends == [(False, False)] * 39 + [(False, True)]


@pytest.mark.parametrize("name", ["PlanarHopper-v0", "Walker-v0"])
def test_a_fall_is_a_terminal_state_and_earns_nothing_for_being_up(name: str, rollouts: Rollouts) -> None:
    rollout, task = rollouts[name, False], TASKS[name]
    assert task.terminal is not None
    fallen = task.terminal(rollout.after)
    assert np.flatnonzero(fallen).tolist() == rollout.ends  # random actions always fall, and nothing goes on after it
    up = task.rewards(rollout.before, rollout.action, rollout.after)["up"]
    assert np.array_equal(up == 0, fallen)
    low, leaning, standing = np.zeros((3, 1, task_width(name)))
    low[0, 1], leaning[0, 1:3], standing[0, 1] = 0.7, (1.0, -1.0), 1.0
    assert [bool(task.terminal(State(qpos, qpos))[0]) for qpos in (low, leaning, standing)] == [True, True, False]


def task_width(name: str) -> int:
    return int(make(name).model.nq)


def test_backflips_never_end_an_episode(rollouts: Rollouts) -> None:
    assert len(rollouts["HopperBackflip-v0", False].ends) == 8
    assert rollouts["HopperBackflip-v0", False].after.qpos[:, 1].min() < planar.FALLEN


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
        assert isinstance(info.get("success", False), bool)
        assert ("success" in info) == (TASKS[name].success is not None)
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
    assert sum(task.rewards(*moved).values(), np.zeros(len(rollout.reward))) == pytest.approx(rollout.reward, abs=1e-12)
    for key, batch in (("factors", task.measure(*moved)), ("costs", task.charge(*moved))):
        for quantity, values in batch.items():
            assert values == pytest.approx([info[key][quantity] for info in rollout.infos], abs=1e-12)
    if task.success is not None:
        assert task.success(rollout.after).tolist() == [info["success"] for info in rollout.infos]


def test_factors_of_motion_are_zero_when_nothing_moves_and_no_others(name: str, rollouts: Rollouts) -> None:
    task, after = TASKS[name], rollouts[name, True].after
    still = State(after.qpos, 0 * after.qvel)
    values = task.measure(still, np.zeros((len(after.qpos), make(name).model.nu)), still)
    assert {factor for factor, value in values.items() if not value.any()} == {
        factor for factor, quantity in task.factors.items() if quantity.motion
    }


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
    env.data.qpos[2] = 500.0  # the target or the block far off, a pitch after many somersaults
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
    terms = {**TASKS[name].rewards(rollout.before, rollout.action, rollout.after), "reward": rollout.reward}
    return {term: y for term, y in terms.items() if np.ptp(y)}  # who never falls is always up


@pytest.mark.parametrize("moving", [False, True])
def test_what_alone_gives_a_reward_term_away_is_privileged(name: str, moving: bool, rollouts: Rollouts) -> None:
    task, rollout = TASKS[name], rollouts[name, moving]
    for factor, x in task.measure(rollout.before, rollout.action, rollout.after).items():
        curve = [x, x**2, x**3, np.abs(x)]  # a function of a term counts, not only a multiple
        best = max((explained(curve, y) for y in targets(name, rollout).values()), default=0.0)
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


@pytest.mark.parametrize("name", ["Reach-v0", "ArmPush-v0", "PointMaze-v0"])
def test_going_to_the_target_solves_it_and_chance_does_not(name: str, rollouts: Rollouts) -> None:
    share = {
        moving: np.mean([rollout.infos[end]["success"] for end in rollout.ends])
        for moving in (False, True)
        for rollout in [rollouts[name, moving]]
    }
    assert share[True] > 0.7
    assert share[False] < 0.2
    assert rollouts[name, True].reward.mean() > rollouts[name, False].reward.mean() + 0.3


def test_armpush_knows_its_fingertip_and_where_it_pushes() -> None:
    env = make("ArmPush-v0")
    for seed in range(5):
        env.reset(seed=seed)
        state = State(env.data.qpos[None], env.data.qvel[None])
        places = {name: env.data.body(name).xpos[:2] for name in ("block", "goal")}
        assert armpush.fingertip(state)[0] == pytest.approx(env.data.site("fingertip").xpos[:2], abs=1e-12)
        assert armpush.distance(state)[0] == pytest.approx(np.linalg.norm(places["block"] - places["goal"]), abs=1e-12)
        assert np.linalg.norm(places["goal"]) < armpush.LINKS.sum()
        behind = armpush.spot(state)[0] - places["block"]
        assert np.linalg.norm(behind) == pytest.approx(armpush.BEHIND)
        assert behind @ (places["goal"] - places["block"]) < 0
        assert env.data.ncon == 0


def test_the_shortest_way_through_the_maze() -> None:
    """By hand: in sight, around one corner, around both; then against the length of a way on a fine grid."""
    first, second = pointmaze.CORNERS
    red, yellow, green, blue = (np.array(place) for place in pointmaze.GOALS.values())
    legs = np.linalg.norm([red - first, first - yellow, first - second, second - blue], axis=1)
    for ball, goal, way in (
        (yellow, green, np.linalg.norm(yellow - green)),
        (red, yellow, legs[:2].sum()),
        (red, blue, legs[0] + legs[2:].sum()),
    ):
        qpos = np.concatenate([ball, goal])
        assert pointmaze.distance(State(qpos[None], qpos[None]))[0] == pytest.approx(way)
        assert pointmaze.distance(State(qpos[None, [2, 3, 0, 1]], qpos[None]))[0] == pytest.approx(way)


def test_ways_through_the_maze_change_no_faster_than_the_ball_moves(rollouts: Rollouts) -> None:
    rollout = rollouts["PointMaze-v0", True]
    moved = np.linalg.norm(rollout.after.qpos[:, :2] - rollout.before.qpos[:, :2], axis=1)
    change = np.abs(pointmaze.distance(rollout.after) - pointmaze.distance(rollout.before))
    assert np.all(change <= moved + 0.02)  # a ball can press a centimetre into the end of a wall


def test_the_maze_measures_its_gap_to_the_walls_as_the_simulator_does() -> None:
    env, rng = make("PointMaze-v0"), np.random.default_rng(0)
    walls = [i for i in range(env.model.ngeom) if env.model.geom(i).name in
             ("west", "east", "south", "north", "upper", "lower")]  # fmt: skip
    assert len(walls) == 6
    assert env.model.actuator_gear[:, 0].tolist() == [pointmaze.GEAR] * 2
    for _ in range(30):
        env.data.qpos[:] = rng.uniform(-0.9, 0.9, 4)
        mujoco.mj_forward(env.model, env.data)
        ball = env.model.geom("ball").id
        gap = min(mujoco.mj_geomDistance(env.model, env.data, ball, wall, 5.0, None) for wall in walls)
        state = State(env.data.qpos[None].copy(), env.data.qvel[None].copy())
        if gap > 0:
            assert pointmaze.clearance(state)[0] == pytest.approx(gap, abs=1e-6)
            assert pointmaze.charge(state, np.zeros((1, 2)), state)["wall_contact"][0] == (gap < 0.003)


def test_a_goal_of_the_maze_has_a_name() -> None:
    env = make("PointMaze-v0")
    seen = {env.reset(seed=seed)[1]["goal"] for seed in range(20)}
    assert seen == set(pointmaze.GOALS)
    assert env.step(np.zeros(2))[4]["goal"] in seen
    blue = gymnasium.make("prefrl_envs:PointMaze-v0", goal="blue").unwrapped
    for seed in range(3):
        obs, info = blue.reset(seed=seed)
        assert info["goal"] == "blue"
        assert obs[4:6].tolist() == list(pointmaze.GOALS["blue"])
    assert "onto the blue pad" in blue.metadata["prefrl"]["task"]
    assert "onto the marked pad" in env.metadata["prefrl"]["task"]
    with pytest.raises(ValueError, match=r"no pad 'pink'\. Allowed: red, yellow, green, blue"):
        gymnasium.make("prefrl_envs:PointMaze-v0", goal="pink")


@pytest.mark.parametrize(("name", "gear", "foot"), [
    ("PlanarHopper-v0", hopper.GEAR, hopper.FOOT),
    ("Walker-v0", walker.GEAR, walker.FOOT),
    ("HopperBackflip-v0", hopper.GEAR, hopper.FOOT),
])  # fmt: skip
def test_planar_bodies_know_their_feet_and_motors(name: str, gear: Array, foot: tuple[float, float]) -> None:
    env = make(name)
    assert np.array_equal(env.model.actuator_gear[:, 0], gear)
    sides = ("left_", "right_") if env.model.nu == 6 else ("",)
    rng = np.random.default_rng(0)
    for _ in range(5):
        env.data.qpos[:] = rng.uniform(-1, 1, env.model.nq)
        mujoco.mj_forward(env.model, env.data)
        x, z = planar.feet(State(env.data.qpos[None], env.data.qvel[None]), foot)
        for i, side in enumerate(sides):
            sites = [env.data.site(f"{side}{end}").xpos for end in ("heel", "toe")]
            assert x[0, i] + env.data.qpos[0] == pytest.approx([site[0] for site in sites], abs=1e-12)
            assert z[0, i] == pytest.approx([site[2] for site in sites], abs=1e-12)


@pytest.mark.parametrize("name", ["PlanarHopper-v0", "Walker-v0"])
def test_a_gait_stays_up_and_gets_ahead(name: str, rollouts: Rollouts) -> None:
    by_chance, moving = (rollouts[name, with_intent] for with_intent in (False, True))
    assert len(by_chance.ends) > 3 * len(moving.ends)
    assert moving.after.qpos[:, 0].max() > 1


@pytest.mark.parametrize("name", ["PlanarHopper-v0", "Walker-v0"])
def test_running_succeeds_after_twelve_metres(name: str) -> None:
    qpos = np.zeros((2, task_width(name)))
    qpos[:, 0] = 11.9, 12.0
    assert TASKS[name].success is not None
    assert TASKS[name].success(State(qpos, qpos)).tolist() == [False, True]


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
        assert task.charge(state, action[None], state)["energy"][0] == pytest.approx(
            np.abs(gear * action * speeds).sum() * env.dt
        )
        assert task.charge(state, 0 * action[None], state)["energy"][0] == 0


def test_it_needs_no_prefrl_and_registering_loads_no_simulator() -> None:
    code = "import sys, prefrl_envs; print('mujoco' in sys.modules); import prefrl_envs.reach, prefrl_envs.cheetah; "
    code += "import prefrl_envs.scores, prefrl_envs.armpush; print('prefrl' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]
