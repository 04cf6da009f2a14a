"""The three recorded episodes of a run in, clips of start, middle and end out, embedded in the page as data."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np

from prefrl.errors import PrefrlError, RunError
from prefrl.rendering import render_clips
from prefrl.report.folder import Run
from prefrl.types import Array, Segment

WINDOW = 200  # steps shown: ten seconds at the 20 Hz of Gymnasium's locomotion tasks


@dataclass(frozen=True)
class Clip:
    """One video of the page; `true_return` and `learned_return` are of the whole episode, not of the part shown."""

    stage: str
    step: int  # environment steps trained when the episode was recorded
    true_return: float
    learned_return: float
    shown: int  # steps in the clip
    length: int  # steps in the episode
    video: str  # data URI
    poster: str  # data URI


def embed(run: Run, videos: Path) -> tuple[list[Clip], list[str]]:
    """Clips of `run`, rendered under `videos`/<run name>, and why some are missing. Rendered ones are used again."""
    stages = {stage: arrays for stage, arrays in run.stages.items() if "states" in arrays}
    if not stages:
        return [], ["No clips: the environment recorded no MuJoCo states to render from."] if run.stages else []
    segments = {stage: _segment(arrays, run.env_id) for stage, arrays in stages.items()}
    paths = {stage: videos / run.name / f"{stage}-{segment.id[:12]}.mp4" for stage, segment in segments.items()}
    missing = [stage for stage in stages if not paths[stage].is_file()]
    try:
        if missing:
            _render([segments[stage] for stage in missing], [paths[stage] for stage in missing], run)
        return [_clip(stage, arrays, len(segments[stage]), paths[stage]) for stage, arrays in stages.items()], []
    except PrefrlError as error:  # the rest of the report does not depend on them
        return [], [f"No clips: {error}"]


def _segment(arrays: Mapping[str, Array], env_id: str) -> Segment:
    length = min(WINDOW, len(arrays["action"]))
    return Segment.of(
        arrays["obs"][: length + 1], arrays["action"][:length], states=arrays["states"][: length + 1], env_id=env_id
    )


def _render(segments: Sequence[Segment], paths: Sequence[Path], run: Run) -> None:
    settings: Mapping[str, Any] = run.config.get("render", {})
    kwargs = run.config.get("env", {}).get("kwargs") or {}
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    render_clips(
        segments, paths, env_kwargs=kwargs, size=int(settings.get("size", 256)), camera=settings.get("camera"), fps=None
    )


def _clip(stage: str, arrays: Mapping[str, Array], shown: int, path: Path) -> Clip:
    return Clip(
        stage=stage,
        step=int(arrays["step"]),
        true_return=float(np.sum(arrays["true_reward"])),
        learned_return=float(np.sum(arrays["learned_reward"])),
        shown=shown,
        length=len(arrays["action"]),
        video=_data_uri("video/mp4", path.read_bytes()),
        poster=_data_uri("image/jpeg", _first_frame(path)),
    )


def _first_frame(path: Path) -> bytes:
    """The first picture of a clip as JPEG."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    command = [ffmpeg, "-v", "error", "-i", str(path), "-frames:v", "1", "-q:v", "4", "-f", "mjpeg", "-"]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if made.returncode != 0:
        reason = made.stderr.decode(errors="replace").strip()
        raise RunError(f"{path}: the clip is damaged ({reason}). Delete it and write the report again.")
    return made.stdout


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
