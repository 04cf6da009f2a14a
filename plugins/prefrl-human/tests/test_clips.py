"""Items become clips in another process, what is wanted first; what cannot be drawn is said once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from prefrl.errors import EnvironmentMissing
from prefrl.rendering import gl_backend
from prefrl.store import DataSet
from prefrl.types import Query
from prefrl_human.clips import Renderer, Studio, path_of
from prefrl_human.place import Place

Terms = Callable[..., Place]


def test_what_cannot_be_drawn_is_said_and_tried_once(
    place: Terms, data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = place()
    studio = Studio(where, lambda name: data)
    (item, other, *_) = studio.open_items(4)
    problems = dict(studio.draw([item, other]))
    assert set(problems) == {item, other}
    assert "Clips of 'Toy-v0' cannot be drawn" in problems[item]
    assert dict(studio.draw([item])) == {}


def test_a_renderer_tells_its_server(place: Terms, data: DataSet) -> None:
    where = place()
    renderer = Renderer(where)
    item = Studio(where, lambda name: data).open_items(1)[0]
    renderer.want([item])
    until = time.monotonic() + 40
    while item not in renderer.problems and time.monotonic() < until:
        time.sleep(0.05)
    renderer.close()
    assert "cannot be drawn" in renderer.problems[item]
    assert not renderer.ready(item)


def test_clips_of_a_robot_from_two_cameras(place: Terms, store, lacking: Callable[[str], None]) -> None:  # type: ignore[no-untyped-def]
    try:
        gl_backend()
    except EnvironmentMissing:
        lacking("needs gl: apt install libegl1 libgl1-mesa-dri, or libosmesa6")
    import gymnasium
    import numpy as np

    from prefrl.types import EnvInfo, Segment

    env = gymnasium.make("HalfCheetah-v5")
    env.reset(seed=0)
    import mujoco

    size = mujoco.mj_stateSize(env.unwrapped.model, mujoco.mjtState.mjSTATE_FULLPHYSICS)
    states = np.zeros((4, size))
    for i in range(4):
        mujoco.mj_getState(env.unwrapped.model, env.unwrapped.data, states[i], mujoco.mjtState.mjSTATE_FULLPHYSICS)
        env.step(env.action_space.sample())
    env.close()
    made = store.data_set("robot", EnvInfo("HalfCheetah-v5", (17,), (6,), dt=0.05))
    clip = Segment.of(np.zeros((4, 17)), np.zeros((3, 6)), states=states, env_id="HalfCheetah-v5")
    made.add_queries([Query.of("run", 0, [clip], kind="binary")])
    where = place(data_set="robot", cameras=("track",))
    assert dict(Studio(where, lambda name: made).draw([clip.id])) == {}
    paths: list[Path] = [path_of(where, clip.id, camera) for camera in range(2)]
    assert [path.name for path in paths] == [f"{clip.id}.mp4", f"{clip.id}.track.mp4"]
    assert all(b"ftyp" in path.read_bytes()[:16] for path in paths)
    assert Renderer(where).ready(clip.id)
