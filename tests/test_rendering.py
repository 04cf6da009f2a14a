"""Clips show the recorded states, are written whole by another process, and what is missing is said in a sentence."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import imageio_ffmpeg
import mujoco
import numpy as np
import pytest
from PIL import Image

from prefrl import rendering
from prefrl.errors import ConfigError, EnvironmentMissing, RunError
from prefrl.rendering import animated, gl_backend, render_clips
from prefrl.types import Array, Segment

STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS


def recorded(env_id: str, steps: int = 6, **kwargs: Any) -> Segment:
    """A segment of random actions with its states."""
    env = gymnasium.make(env_id, **kwargs)
    inner: Any = env.unwrapped
    env.action_space.seed(0)

    def state() -> Array:
        values = np.zeros(mujoco.mj_stateSize(inner.model, STATE))
        mujoco.mj_getState(inner.model, inner.data, values, STATE)
        return values

    obs, states, actions = [env.reset(seed=0)[0]], [state()], []
    for _ in range(steps):
        actions.append(env.action_space.sample())
        obs.append(env.step(actions[-1])[0])
        states.append(state())
    env.close()
    return Segment.of(np.array(obs), np.array(actions), states=np.array(states), env_id=env_id)


def decoded(clip: Path, size: int) -> tuple[Array, float]:
    """Pictures (H, size, size, 3) of a clip and its pictures a second."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(clip), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    rate = re.search(rb"([\d.]+) fps", made.stderr)
    assert rate is not None
    return np.frombuffer(made.stdout, np.uint8).reshape(-1, size, size, 3), float(rate[1])


def pictures(clip: Path, size: int) -> Array:
    return decoded(clip, size)[0]


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Forgets what this process knows of the machine's GL, before and after."""
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    gl_backend.cache_clear()
    yield monkeypatch
    gl_backend.cache_clear()


@pytest.fixture(scope="session")
def reach() -> Segment:
    return recorded("prefrl_envs:Reach-v0")


def needs_gl() -> None:
    """Without GL the tests that draw are skipped; with CI set that is a failure."""
    try:
        gl_backend()
    except EnvironmentMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


class TestClips:
    @pytest.fixture(autouse=True)
    def _gl(self) -> None:
        needs_gl()

    def test_several_tasks_in_one_call_each_frame_a_step_in_real_time(self, tmp_path: Path, reach: Segment) -> None:
        segments = [reach, recorded("prefrl_envs:Cheetah-v0", 4), replace(reach, dt=2)]
        paths = [tmp_path / "new" / f"{i}.mp4" for i in range(3)]
        told: list[Path] = []
        render_clips(segments, paths, size=64, progress=told.append)
        assert told == paths
        assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["0.mp4", "1.mp4", "2.mp4"]
        clips = [decoded(path, 64) for path in paths]
        assert [len(frames) for frames, _ in clips] == [6, 4, 6]
        assert [rate for _, rate in clips] == pytest.approx([25.0, 20.0, 12.5])

    def test_a_clip_shows_its_states(self, tmp_path: Path, reach: Segment) -> None:
        assert reach.states is not None
        moved = reach.states.copy()
        moved[:, 1 + 2 : 1 + 4] = [[-0.15, 0.15]]  # time, then shoulder, elbow and the target's x and y
        clips = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
        render_clips([replace(reach, states=moved)] * 2, clips, size=128)
        last = pictures(clips[0], 128)[-1].astype(int)
        red = (last[..., 0] - np.maximum(last[..., 1], last[..., 2])) > 60
        rows, columns = np.nonzero(red)
        metres = 0.614 / 128  # height of the picture, by camera height and angle
        assert (columns.mean() - 63.5) * metres == pytest.approx(-0.15, abs=0.01)
        assert (63.5 - rows.mean()) * metres == pytest.approx(0.15, abs=0.01)
        assert clips[0].read_bytes() == clips[1].read_bytes()  # bit-exact

    def test_the_camera_follows_a_cheetah_that_ran_far(self, tmp_path: Path) -> None:
        near = recorded("prefrl_envs:Cheetah-v0", 3)
        assert near.states is not None
        far = replace(near, states=near.states + np.eye(1, near.states.shape[1], 1) * 200.0)
        render_clips([near, far], [tmp_path / "near.mp4", tmp_path / "far.mp4"], size=64)
        orange = [
            np.sum((p[..., 0].astype(int) - p[..., 2]) > 60, axis=(1, 2))
            for p in (pictures(tmp_path / "near.mp4", 64), pictures(tmp_path / "far.mp4", 64))
        ]
        assert orange[0].min() > 50
        assert orange[1] == pytest.approx(orange[0], rel=0.2)

    @pytest.mark.filterwarnings("ignore:.*is out of date:DeprecationWarning")
    @pytest.mark.parametrize("env_id", ["Reacher-v5", "InvertedPendulum-v5"])
    def test_a_task_without_cameras_is_seen_as_gymnasium_shows_it(self, tmp_path: Path, env_id: str) -> None:
        render_clips([recorded(env_id, 2)], [tmp_path / "a.mp4"], size=64)
        assert pictures(tmp_path / "a.mp4", 64).std() > 5

    def test_constructor_arguments_reach_the_environment(self, tmp_path: Path, reach: Segment) -> None:
        with pytest.raises(ConfigError, match=r"cannot be made.*colour"):
            render_clips([reach], [tmp_path / "a.mp4"], env_kwargs={"colour": "blue"})

    def test_odd_sizes_are_made_even(self, tmp_path: Path, reach: Segment) -> None:
        render_clips([reach], [tmp_path / "a.mp4"], size=33)
        assert len(pictures(tmp_path / "a.mp4", 34)) == 6

    def test_an_animation_loops_at_its_own_pace(self, tmp_path: Path, reach: Segment) -> None:
        render_clips([reach] * 2, [tmp_path / "a.mp4", tmp_path / "b.mp4"], size=64, fps=20)
        gif = Image.open(io.BytesIO(animated(tmp_path / "a.mp4", fps=10)))
        assert (gif.size, getattr(gif, "n_frames", 1)) == ((64, 64), 3)
        assert (gif.info["duration"], gif.info["loop"]) == (100, 0)
        (tmp_path / "b.mp4").write_bytes(b"no clip")
        with pytest.raises(RunError, match=r"b\.mp4.*cannot be read"):
            animated(tmp_path / "b.mp4")

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path, reach: Segment) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(RunError, match="cannot be written"):
            render_clips([reach], [tmp_path / "file" / "a.mp4"])
        (tmp_path / "a.mp4").mkdir()  # makes the last step, the rename, fail
        with pytest.raises(RunError, match=r"cannot be written.*a\.mp4"):
            render_clips([reach], [tmp_path / "a.mp4"], size=32)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "file"]

    def test_a_fault_of_ours_keeps_the_workers_traceback(
        self, tmp_path: Path, reach: Segment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rendering, "_camera", lambda *_: {"nonsense": 1})
        with pytest.raises(RuntimeError, match=r"(?s)Traceback.*nonsense"):
            render_clips([reach], [tmp_path / "a.mp4"], size=32)
        assert list(tmp_path.iterdir()) == []


def test_this_process_draws_nothing(tmp_path: Path) -> None:
    """GL stays out of the process that trains."""
    needs_gl()
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_rendering import recorded, render_clips
render_clips([recorded("prefrl_envs:Reach-v0", 2)], [Path({str(tmp_path)!r}) / "a.mp4"], size=32)
assert not [m for m in sys.modules if m.startswith("OpenGL")], "GL was loaded"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "a.mp4").is_file()


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, prefrl.rendering; print({'mujoco', 'gymnasium', 'imageio', 'torch'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_frames_of_a_plugin_come_first_and_need_no_gl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "gl_backend", lambda: pytest.fail("GL is not needed"))
    segment = Segment.of(np.zeros((3, 4)), np.zeros(2), env_id="CartPole-v1")
    asked: list[tuple[str, int, str | None]] = []

    def draw(segment: Segment, size: int, camera: str | None) -> Array:
        asked.append((segment.id, size, camera))
        return np.stack([np.full((size, size, 3), level, np.uint8) for level in (40, 200)])

    render_clips([segment], [tmp_path / "a.mp4"], size=32, camera="front", draw=draw)
    assert asked == [(segment.id, 32, "front")]
    frames, rate = decoded(tmp_path / "a.mp4", 32)
    assert frames.mean((1, 2, 3)) == pytest.approx([40, 200], abs=3)
    assert rate == 50


def test_nothing_to_draw_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_work", lambda *_: pytest.fail("no worker is needed"))
    render_clips([], [])


@pytest.mark.parametrize(
    ("change", "camera", "words"),
    [
        ({"env_id": "CartPole-v1"}, None, r"no MuJoCo task.*prefrl_render_segment"),
        ({"env_id": "Nowhere-v0"}, None, r"'Nowhere-v0'.*cannot be made"),
        ({"env_id": "no_such_module:Nowhere-v0"}, None, r"cannot be made.*no_such_module"),
        ({"states": None}, None, "recorded without MuJoCo states"),
        ({"states": np.zeros((7, 3))}, None, r"states of 3 numbers.*has 9"),
        ({}, "abov", r"no camera 'abov'\. Allowed: above\. Did you mean 'above'\?"),
    ],
)
def test_what_cannot_be_drawn_is_said_before_anything_is(
    tmp_path: Path, reach: Segment, change: dict[str, Any], camera: str | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        render_clips([replace(reach, **change)], [tmp_path / "a.mp4"], camera=camera)
    assert list(tmp_path.iterdir()) == []


def works(monkeypatch: pytest.MonkeyPatch, *backends: str) -> list[str]:
    """Make only these GL backends work; the list fills with what is tried."""
    tried: list[str] = []

    def run(_: list[str], *, env: dict[str, str], capture_output: bool) -> subprocess.CompletedProcess[bytes]:
        tried.append(env["MUJOCO_GL"])
        return subprocess.CompletedProcess([], 0 if env["MUJOCO_GL"] in backends else 1)

    monkeypatch.setattr(subprocess, "run", run)
    return tried


def test_egl_is_tried_first_then_osmesa_and_once(probe: pytest.MonkeyPatch) -> None:
    tried = works(probe, "osmesa")
    assert gl_backend() == gl_backend() == "osmesa"
    assert tried == ["egl", "osmesa"]


def test_a_backend_that_is_set_is_respected(probe: pytest.MonkeyPatch) -> None:
    probe.setenv("MUJOCO_GL", "OSMesa ")
    tried = works(probe, "egl", "osmesa")
    assert gl_backend() == "osmesa"
    assert tried == ["osmesa"]


def test_without_gl_the_cure_is_named(probe: pytest.MonkeyPatch) -> None:
    works(probe)
    with pytest.raises(EnvironmentMissing, match=r"neither egl nor osmesa.*apt install.*conda install"):
        gl_backend()
    probe.setenv("MUJOCO_GL", "egl")
    with pytest.raises(EnvironmentMissing, match=r"MUJOCO_GL is set to 'egl'.*Unset it"):
        gl_backend()


def test_without_ffmpeg_the_cure_is_named(tmp_path: Path, reach: Segment, probe: pytest.MonkeyPatch) -> None:
    works(probe, "egl")

    def missing() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    probe.setattr("imageio_ffmpeg.get_ffmpeg_exe", missing)
    with pytest.raises(EnvironmentMissing, match=r"No ffmpeg.*IMAGEIO_FFMPEG_EXE"):
        render_clips([reach], [tmp_path / "a.mp4"])
