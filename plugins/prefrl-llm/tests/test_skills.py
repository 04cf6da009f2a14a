"""Skills act for their steps, goals are put where the policy looks for them, and any SB3 algorithm can choose among skills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3 import PPO

import prefrl_llm.skills  # noqa: F401 - registers Skills-v0
from prefrl.errors import ConfigError
from prefrl_llm.skills import GoalEntries, aimed

SKILLS = "prefrl_llm.skills:Skills-v0"
GOALS = {"up": [0.0, 0.69], "down": [0.0, -0.69]}
GOAL = {"entries": [4, 5], "relative": [6, 7]}


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained policy for PointMaze."""
    path = tmp_path_factory.mktemp("walker") / "walker.zip"
    env = gymnasium.make("prefrl_envs:PointMaze-v0")
    PPO("MlpPolicy", env, n_steps=8, batch_size=8, device="cpu", seed=0).save(path)
    env.close()
    return str(path)


def skills(**kwargs: Any) -> Any:
    given = {"task": "prefrl_envs:PointMaze-v0", "skills": GOALS, "goal": GOAL, "steps": 4, **kwargs}
    return gymnasium.make(SKILLS, **given)


def test_one_choice_is_as_many_steps_as_the_skill_acts(walker: str) -> None:
    env, task = skills(policy=walker), gymnasium.make("prefrl_envs:PointMaze-v0")
    policy = PPO.load(walker, device="cpu").policy
    seen, _ = env.reset(seed=3)
    expected, _ = task.reset(seed=3)
    assert np.array_equal(seen, expected)
    total, energy, speed = 0.0, 0.0, []
    for _ in range(4):
        obs = aimed(expected, GoalEntries(**GOAL), np.array(GOALS["down"]))
        expected, reward, _, _, info = task.step(policy.predict(obs, deterministic=True)[0])
        total, energy = total + reward, energy + info["costs"]["energy"]
        speed.append(info["factors"]["speed"])
    seen, reward, terminated, truncated, info = env.step(1)
    assert np.array_equal(seen, expected)
    assert (terminated, truncated, info["steps"]) == (False, False, 4)
    assert reward == pytest.approx(total)
    assert info["costs"]["energy"] == pytest.approx(energy)
    assert info["factors"]["speed"] == pytest.approx(np.mean(speed))
    for _ in range(11):
        *_, truncated, info = env.step(0)
    assert not truncated
    *_, truncated, info = env.step(0)
    assert (truncated, info["steps"]) == (True, 2)  # 50 steps are no multiple of 4


def test_goals_are_put_where_the_policy_looks_for_them() -> None:
    obs = np.array([0.1, 0.2, 0.0, 0.0, 0.5, 0.5, 0.4, 0.3])
    changed = aimed(obs, GoalEntries(**GOAL), np.array([-0.5, 0.0]))
    assert np.allclose(changed, [0.1, 0.2, 0.0, 0.0, -0.5, 0.0, -0.6, -0.2])
    assert obs[4] == 0.5


def test_it_says_what_its_actions_are_called_and_shows_mujoco(walker: str) -> None:
    env = skills(skills={"walk": walker, "walk more": walker}, goal=None)
    assert env.unwrapped.metadata["prefrl"]["actions"] == ["walk", "walk more"]
    assert env.unwrapped.metadata["prefrl"]["task"].startswith("Roll the ball")
    assert env.unwrapped.model.nq == 4
    assert env.unwrapped.data.qpos.shape == (4,)
    assert env.unwrapped.dt == pytest.approx(0.4)


def test_sb3_learns_to_choose_in_the_same_environment(walker: str) -> None:
    model = PPO("MlpPolicy", skills(policy=walker), n_steps=16, batch_size=16, device="cpu", seed=0).learn(16)
    assert model.num_timesteps == 16


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"policy": "nowhere"}, "env.kwargs.policy: 'nowhere' is no finished run and no saved policy; train it first"),
        ({"policy": None}, "env.kwargs.skills.up: a goal needs `policy`"),
        ({"goal": {"entries": [4]}}, "env.kwargs.skills.up: 2 numbers for the goal's 1 entries"),
        ({"goal": None}, "env.kwargs.skills.up: a goal needs"),
        ({"algorithm": "dqn"}, "SB3 has no 'dqn' here. Allowed: ppo, sac, td3."),
        ({"stepz": 3}, "env.kwargs.stepz: Extra inputs are not permitted. Allowed: "),
        ({"skills": {"one": [0, 0]}}, "env.kwargs.skills: Dictionary should have at least 2 items"),
        ({"task": "Pendulum-v1"}, "takes observations of shape (8,), and Pendulum-v1 has (3,)"),
    ],
)
def test_mistakes_are_sentences(changes: dict[str, Any], said: str, walker: str) -> None:
    with pytest.raises(ConfigError) as caught:
        skills(**{"policy": walker, **changes})
    assert said in str(caught.value)


def test_what_is_no_policy_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    with pytest.raises(ConfigError, match=r"broken.zip is no policy that SB3's ppo saved"):
        skills(policy=str(tmp_path / "broken.zip"))
