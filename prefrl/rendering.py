"""Segments with recorded MuJoCo states come in; H.264 clips go out, drawn and encoded by another process.

This process only makes the environment once, for its compiled model. The worker (``python -m prefrl.rendering SPOOL``)
finds models and states in a spool folder, draws without a window and prints each clip's path when it is complete.
Drawing in software is over ten times faster than with MuJoCo's defaults: see `_QUALITY`; reflections are off, shadows stay.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from prefrl import mujoco_log
from prefrl.errors import ConfigError, EnvironmentMissing, RunError, choices
from prefrl.types import Array, Segment

BACKENDS = ("egl", "osmesa")  # in the order they are tried
Draw = Callable[[Segment, int, "str | None"], "Array | None"]

_PROBE = (
    "import mujoco; r = mujoco.Renderer(mujoco.MjModel.from_xml_string('<mujoco/>'), 16, 16); r.render(); r.close()"
)
_CURE = (
    "Install one: `apt install libegl1 libgl1-mesa-dri` or `apt install libosmesa6` on Debian, "
    "`conda install -c conda-forge mesalib` with conda."
)
_UNWRITABLE = 74  # the worker's exit status when a clip could not be written (EX_IOERR)
# what software rendering pays most for and the eye misses least at clip size (MuJoCo: 4, 4096, 28, 16, 4)
_QUALITY = {"offsamples": 0, "shadowsize": 512, "numslices": 16, "numstacks": 8, "numquads": 2}
_REPRODUCIBLE = ["-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"]
_ENCODING = ["-preset", "veryfast", "-crf", "21", "-movflags", "+faststart", *_REPRODUCIBLE]


# --- choosing how to draw without a window -------------------------------------------------------------------------


@functools.cache
def gl_backend() -> str:
    """The value of MUJOCO_GL that works here: what is set already, else EGL, else OSMesa; found out in a subprocess.

    Raises `EnvironmentMissing` if none does.
    """
    chosen = os.environ.get("MUJOCO_GL", "").strip().lower()
    for backend in (chosen,) if chosen else BACKENDS:
        if subprocess.run([sys.executable, "-c", _PROBE], env=_gl(backend), capture_output=True).returncode == 0:
            return backend
    if chosen:
        raise EnvironmentMissing(
            f"MUJOCO_GL is set to '{chosen}', which cannot draw here. Unset it to try {' and '.join(BACKENDS)}. {_CURE}"
        )
    raise EnvironmentMissing(f"Clips cannot be drawn: neither {' nor '.join(BACKENDS)} works on this machine. {_CURE}")


def _gl(backend: str) -> dict[str, str]:
    return {**os.environ, "MUJOCO_GL": backend}


# --- clips ---------------------------------------------------------------------------------------------------------


def render_clips(
    segments: Sequence[Segment],
    paths: Sequence[Path],
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    size: int = 256,
    camera: str | None = None,
    fps: float | None = None,
    draw: Draw | None = None,
    progress: Callable[[Path], None] | None = None,
) -> None:
    """Write one clip of H frames per segment: what each of its steps led to.

    A clip appears under its path when it is complete. `size` is in pixels a side (made even). Without `camera` the
    task's own is used, else one that tracks the robot. Without `fps` clips play in real time. `draw` (the
    `prefrl_render_segment` hook) is asked first: frames (H, size, size, 3) uint8, or None to leave it to MuJoCo.
    `progress` is told of each clip. Raises `ConfigError` (camera, environment, no states), `EnvironmentMissing`
    (no GL, no ffmpeg) and `RunError` (cannot write).
    """
    if not segments:
        return
    size += size % 2  # H.264 with 4:2:0 colours needs even sides
    with tempfile.TemporaryDirectory(prefix="prefrl-clips-") as folder:
        spool = Path(folder)
        models = functools.cache(lambda env_id: _Scene(env_id, env_kwargs or {}, camera, spool))
        jobs = []
        for i, (segment, path) in enumerate(zip(segments, paths, strict=True)):
            drawn = draw(segment, size, camera) if draw is not None else None
            rate = fps or models(segment.env_id).fps / segment.dt
            job: dict[str, Any] = {"path": str(path.absolute()), "fps": rate}
            if drawn is None:
                scene = models(segment.env_id)
                job |= {"model": scene.name, "camera": scene.camera, "states": f"{i}.npy"}
                np.save(spool / f"{i}.npy", scene.check(segment)[1:])
            else:
                job |= {"frames": f"{i}.npy"}
                np.save(spool / f"{i}.npy", np.asarray(drawn, np.uint8))
            jobs.append(job)
        _make_folders(paths)
        (spool / "jobs.json").write_text(json.dumps({"size": size, "jobs": jobs}))
        _work(spool, gl_backend() if any("model" in job for job in jobs) else "disabled", progress)


def animated(clip: Path, fps: int = 10) -> bytes:
    """An endless GIF of a clip at `fps` pictures a second, for pages that cannot play videos."""
    import imageio_ffmpeg

    palette = f"fps={fps},split[a][b];[a]palettegen=stats_mode=diff[p];[b][p]paletteuse=dither=bayer"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        str(clip),
        "-vf",
        palette,
        "-f",
        "gif",
        "-loop",
        "0",
        "-",
    ]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if made.returncode != 0:
        raise RunError(f"{clip}: the clip cannot be read ({made.stderr.decode(errors='replace').strip()}).")
    return made.stdout


class _Scene:
    """One environment's compiled model in the spool, and how to look at it."""

    def __init__(self, env_id: str, kwargs: Mapping[str, Any], camera: str | None, spool: Path) -> None:
        import gymnasium
        import mujoco

        mujoco_log.listen()
        self.env_id = env_id
        try:
            module = "shimmy:" if env_id.startswith("dm_control/") else ""  # which registers them when it is imported
            env = gymnasium.make(module + env_id, **kwargs)
        except (gymnasium.error.Error, ImportError, TypeError) as error:
            raise ConfigError(
                f"Clips of '{env_id}' cannot be drawn: the environment cannot be made ({error})."
            ) from error
        self.fps = float(env.metadata.get("render_fps") or 20)
        physics = getattr(env.unwrapped, "physics", None)  # of dm_control, which wraps model and data
        model = getattr(env.unwrapped, "model", None) if physics is None else physics.model.ptr
        self.name, self.camera, self.width = "", {}, 0
        if isinstance(model, mujoco.MjModel):
            self.name = f"{len(list(spool.glob('*.mjb')))}.mjb"
            self.camera = _camera(env, model, camera)
            self.width = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS)
            mujoco.mj_saveModel(model, str(spool / self.name))
        env.close()

    def check(self, segment: Segment) -> Array:
        """The states of `segment`, if this scene can show them."""
        where = f"A clip of '{self.env_id}' cannot be drawn"
        if not self.name:
            raise ConfigError(
                f"{where}: it is no MuJoCo task, and no plugin's prefrl_render_segment offers frames of it."
            )
        if segment.states is None:
            raise ConfigError(f"{where}: segment {segment.id[:12]} was recorded without MuJoCo states.")
        if segment.states.shape[1:] != (self.width,):
            raise ConfigError(
                f"{where}: segment {segment.id[:12]} has states of {segment.states.shape[-1]} numbers, the model of "
                f"this environment has {self.width}; give the env.kwargs it was recorded with."
            )
        return np.asarray(segment.states, np.float64)


def _camera(env: Any, model: Any, name: str | None) -> dict[str, Any]:
    """Which camera to look through: {"fixed": index in the model}, or the attributes of a free one."""
    import mujoco

    names = [model.camera(i).name for i in range(model.ncam)]
    if name is not None:
        if name not in names:
            raise ConfigError(f"render.camera: '{env.spec.id}' has no camera '{name}'. {choices(name, names)}")
        return {"fixed": names.index(name)}
    declared = env.metadata.get("prefrl", {}).get("camera")
    if declared in names:
        return {"fixed": names.index(declared)}
    tracking = np.isin(model.cam_mode, (mujoco.mjtCamLight.mjCAMLIGHT_TRACK, mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM))
    if tracking.any():
        return {"fixed": int(tracking.argmax())}
    # Gymnasium's MuJoCo tasks without a camera say how they want to be looked at
    free = dict(getattr(getattr(env.unwrapped, "mujoco_renderer", None), "default_cam_config", None) or {})
    moving = (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_SLIDE)
    if "trackbodyid" not in free and model.njnt and model.jnt_type[0] in moving:
        free["trackbodyid"] = int(model.jnt_bodyid[0])  # it can leave the picture
    return {key: np.asarray(value).tolist() for key, value in free.items()}


def _make_folders(paths: Iterable[Path]) -> None:
    for folder in {path.parent for path in paths}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"Clips cannot be written to '{folder}': {error.strerror}.") from error


def _work(spool: Path, backend: str, progress: Callable[[Path], None] | None) -> None:
    """Run the worker on a spool and pass its progress on."""
    import imageio_ffmpeg

    try:
        imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise EnvironmentMissing(
            f"Clips cannot be encoded: {error} Install imageio-ffmpeg or set IMAGEIO_FFMPEG_EXE."
        ) from error
    command = [sys.executable, "-m", "prefrl.rendering", str(spool)]
    with (
        (spool / "errors.txt").open("w+") as errors,
        subprocess.Popen(command, env=_gl(backend), stdout=subprocess.PIPE, stderr=errors, text=True) as worker,
    ):
        try:
            assert worker.stdout is not None
            for line in worker.stdout:
                if progress is not None:
                    progress(Path(line.rstrip("\n")))
            status = worker.wait()
        finally:
            worker.kill()  # it is still there only if this process was interrupted
        errors.seek(0)
        said = errors.read().strip()
    if status == _UNWRITABLE:
        raise RunError(f"Clips cannot be written: {said.splitlines()[-1]}.")
    if status != 0:
        raise RuntimeError(f"The rendering process ended with status {status}.\n{said}")


# --- the worker ----------------------------------------------------------------------------------------------------


def _serve(spool: Path) -> None:
    """Draw and encode every job of a spool, in order; jobs of one model and camera share a renderer."""
    os.nice(10)  # never in the way of training
    request = json.loads((spool / "jobs.json").read_text())
    renderer: _Renderer | None = None
    for job in request["jobs"]:
        if "frames" in job:
            frames: Iterable[Array] = np.load(spool / job["frames"])
        else:
            if renderer is None or renderer.shows != (job["model"], job["camera"]):
                if renderer is not None:
                    renderer.close()
                renderer = _Renderer(spool, job["model"], job["camera"], request["size"])
            frames = renderer.frames(np.load(spool / job["states"]))
        _encode(frames, Path(job["path"]), request["size"], job["fps"])
        sys.stdout.write(f"{job['path']}\n")
        sys.stdout.flush()
    if renderer is not None:
        renderer.close()  # OSMesa prints a traceback at exit otherwise


class _Renderer:
    """Draws states of one model through one camera."""

    def __init__(self, spool: Path, model: str, camera: Mapping[str, Any], size: int) -> None:
        import mujoco

        self.shows = (model, camera)
        self.model = mujoco.MjModel.from_binary_path(str(spool / model))
        self.data = mujoco.MjData(self.model)
        for name, value in _QUALITY.items():
            setattr(self.model.vis.quality, name, value)
        self.model.vis.global_.offwidth = self.model.vis.global_.offheight = size
        self.camera = _look(self.model, camera)
        self.renderer = mujoco.Renderer(self.model, size, size)
        self.renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0

    def frames(self, states: Array) -> Iterator[Array]:
        """One (size, size, 3) uint8 picture per state."""
        import mujoco

        for state in states:
            mujoco.mj_setState(self.model, self.data, state, mujoco.mjtState.mjSTATE_FULLPHYSICS)
            mujoco.mj_forward(self.model, self.data)
            self.renderer.update_scene(self.data, self.camera)
            yield self.renderer.render()

    def close(self) -> None:
        self.renderer.close()


def _look(model: Any, camera: Mapping[str, Any]) -> Any:
    """An MjvCamera of what `_camera` decided."""
    import mujoco

    view = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, view)
    if "fixed" in camera:
        view.type, view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, camera["fixed"]
        return view
    for key, value in camera.items():
        if key == "lookat":
            view.lookat[:] = value
        else:
            setattr(view, key, value)
    view.type = mujoco.mjtCamera.mjCAMERA_TRACKING if view.trackbodyid > 0 else mujoco.mjtCamera.mjCAMERA_FREE
    return view


def _encode(frames: Iterable[Array], path: Path, size: int, fps: float) -> None:
    """Write frames (size, size, 3) as MP4; the name appears when the file is whole."""
    import imageio_ffmpeg

    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial.mp4")
    try:
        with _writer(imageio_ffmpeg, partial, size, fps) as write:
            for frame in frames:
                write(np.ascontiguousarray(frame))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _writer(ffmpeg: Any, path: Path, size: int, fps: float) -> Iterator[Callable[[Array], None]]:
    encoder = ffmpeg.write_frames(
        str(path),
        (size, size),
        pix_fmt_in="rgb24",
        pix_fmt_out="yuv420p",
        fps=fps,
        codec="libx264",
        quality=None,
        macro_block_size=1,
        ffmpeg_log_level="error",
        output_params=_ENCODING,
    )
    encoder.send(None)  # starts ffmpeg
    try:
        yield encoder.send
    finally:
        encoder.close()


def main(spool: Path) -> int:
    """The worker's entry; the exit status."""
    try:
        _serve(spool)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return _UNWRITABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
