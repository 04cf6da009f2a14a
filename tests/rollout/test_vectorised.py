"""A Gymnasium VectorEnv, however it resets, gives the recording that single environments give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from prefrl.errors import ConfigError
from prefrl.rollout.environments import STATE_SPEC
from prefrl.rollout.recording import Recording, RecordingVecEnv
from prefrl.rollout.vectorised import BatchedVecEnv, information, record
from prefrl.settings import EnvSettings

N, SEED = 3, 11


class WithState(gym.Wrapper[Any, Any, Any, Any]):
    """Puts the simulator's state into info, as a batched task does."""

    def reset(self, **kwargs: Any) -> Any:
        obs, info = self.env.reset(**kwargs)
        return obs, info | {"state": self.state()}

    def step(self, action: Any) -> Any:
        *rest, info = self.env.step(action)
        return *rest, info | {"state": self.state()}

    def state(self) -> Any:
        inner: Any = self.env.unwrapped
        state = np.empty(mujoco.mj_stateSize(inner.model, STATE_SPEC))
        mujoco.mj_getState(inner.model, inner.data, state, STATE_SPEC)
        return state


def batch_of(make: Callable[[], gym.Env[Any, Any]], mode: AutoresetMode) -> SyncVectorEnv:
    return SyncVectorEnv([make] * N, autoreset_mode=mode)


def stepped(venv: RecordingVecEnv, steps: int) -> tuple[Recording, np.ndarray]:
    rng = np.random.default_rng(2)
    shape = (N, *(venv.action_space.shape or ()))
    first = venv.reset()
    rest = [venv.step(rng.uniform(-1, 1, shape).astype(np.float32))[0] for _ in range(steps)]
    return venv.recording, np.array([first, *rest])


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])
@pytest.mark.parametrize(
    ("env_id", "kwargs", "steps"),
    [("Drift-v0", {}, 30), ("Bare-v0", {}, 30), ("prefrl_envs:Reach-v0", {"max_episode_steps": 5}, 12)],
)
def test_a_batch_gives_the_recording_of_single_environments(
    env_id: str, kwargs: dict[str, Any], steps: int, mode: AutoresetMode
) -> None:
    settings = EnvSettings(id=env_id, n_envs=N, kwargs=kwargs)
    info = information(settings)

    def make() -> gym.Env[Any, Any]:
        env = gym.make(env_id, **kwargs)
        return WithState(env) if info.has_states else env

    batched = BatchedVecEnv(batch_of(make, mode), info)
    batched.seed(SEED)
    one, seen = stepped(RecordingVecEnv(batched, Recording("a", info, N)), steps)
    other, expected = stepped(record(settings, info, seed=SEED, name="a", keep=None), steps)
    assert np.array_equal(seen, expected)
    assert [t.id for t in one.tracks] == [t.id for t in other.tracks]
    assert sum(t.done for t in one.tracks) >= N
    for a, b in zip(one.tracks, other.tracks, strict=True):
        assert (a.env_index, a.begin, a.length, a.terminated, a.truncated) == (
            b.env_index, b.begin, b.length, b.terminated, b.truncated,
        )  # fmt: skip
        assert a.rows.keys() == b.rows.keys()
        for name, rows in a.rows.items():
            assert np.array_equal(rows[: a.length + 1], b.rows[name][: b.length + 1], equal_nan=True), name


def test_a_batch_that_resets_one_step_late_is_refused() -> None:
    info = information(EnvSettings(id="Drift-v0"))
    with pytest.raises(ConfigError, match="resets one step late"):
        BatchedVecEnv(batch_of(lambda: gym.make("Drift-v0"), AutoresetMode.NEXT_STEP), info)


def test_a_batch_of_observations_in_parts_is_refused() -> None:
    info = information(EnvSettings(id="Parts-v0"))
    with pytest.raises(ConfigError, match="observations of several parts; use gym"):
        BatchedVecEnv(batch_of(lambda: gym.make("Parts-v0"), AutoresetMode.DISABLED), info)


def test_a_task_without_a_batched_form_says_so() -> None:
    settings = EnvSettings(id="prefrl_envs:Reach-v0", backend="threads")
    with pytest.raises(ConfigError, match=r"has no batched form for 'threads'.* use gym"):
        record(settings, information(settings), seed=0, name="a", keep=None)


def test_the_batched_form_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def vector(num_envs: int, border: float = 1.5, **rest: Any) -> SyncVectorEnv:
        makers = [lambda: gym.make("Drift-v0", border=border)] * num_envs
        return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.DISABLED)

    monkeypatch.setattr(gym.spec("Drift-v0"), "vector_entry_point", vector)
    settings = EnvSettings(id="Drift-v0", n_envs=N, backend="threads", kwargs={"border": 0.1})
    venv = record(settings, information(settings), seed=0, name="a", keep=None)
    assert isinstance(venv.venv, BatchedVecEnv)
    assert venv.num_envs == N
    assert venv.get_attr("render_mode") == [None] * N
    venv.reset()
    assert venv.step(np.ones((N, 2), np.float32))[2].all()  # its kwargs reached it
    with pytest.raises(ConfigError, match=r"env.termination: .* knows 'keep' only"):
        record(
            settings.model_copy(update={"termination": "absorb"}), information(settings), seed=0, name="a", keep=None
        )
