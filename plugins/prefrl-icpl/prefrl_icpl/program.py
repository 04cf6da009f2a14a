"""One program as a reward model: recorded steps in, what the program says of them out; its components are traced."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prefrl.errors import PluginError
from prefrl.sandbox import ProgramFault, Rewards
from prefrl.specs import BuildContext, Scorer
from prefrl.types import Array, Candidate, Channels, Episode, Item, Segment
from prefrl_icpl.options import ProgramOptions
from prefrl_icpl.running import Runner, text_of
from prefrl_icpl.traces import Traces

FAULT = "icpl_fault.json"  # in the run folder of a run whose program turned out to be unusable


class ProgramReward:
    """What learns from it is the policy alone; no preference changes it."""

    markov = True
    version = 1

    def __init__(self, options: ProgramOptions, context: BuildContext) -> None:
        self._folder, self._file = context.folder, options.file
        self._traces = Traces(context.folder)
        try:
            self._runner = Runner(text_of(options.file, "reward.file"), context.env, options)
        except ProgramFault as fault:
            raise self._unusable(fault) from fault

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        rewards = self._of(episodes)
        if not episodes[0].id.startswith("evaluation/"):
            self._traces.add(rewards)
        return {"reward": rewards.reward}

    def _of(self, recorded: Sequence[Episode | Segment]) -> Rewards:
        try:
            return self._runner(recorded)
        except ProgramFault as fault:
            raise self._unusable(fault) from fault

    def _unusable(self, fault: ProgramFault) -> PluginError:
        if self._folder != Path():
            said = {"kind": fault.kind, "what": fault.what, "line": fault.line}
            (self._folder / FAULT).write_text(json.dumps(said), encoding="utf-8")
        return PluginError(f"reward.file: {self._file} cannot be used: {fault}")

    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        clips = [clip_of(item) for item in items]
        steps = np.split(self._of(clips).reward, np.cumsum([len(clip) for clip in clips])[:-1])
        return np.array([[float(part.sum()) for part in steps]])

    def observe(self, episodes: Sequence[Episode]) -> None:
        """Nothing to normalise."""

    def collate(self, items: Sequence[Item]) -> None:
        """Nothing is fitted."""

    def scorers(self) -> Sequence[Scorer]:
        return ()

    def reset(self) -> None:
        """No weights."""

    def fitted(self) -> None:
        """Never fitted."""

    def state_dict(self) -> Mapping[str, Any]:
        return {"traces": self._traces.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._traces.load_state_dict(state["traces"])


def clip_of(item: Item) -> Segment:
    """The steps by which an item is judged."""
    clip = item.clip if isinstance(item, Candidate) else item
    if not isinstance(clip, Segment):
        raise PluginError(f"Programs judge robot clips; item {item.id[:12]} is a {item.kind} without one.")
    return clip


def read_fault(folder: Path) -> ProgramFault | None:
    """Why the program of the run in `folder` could not be used; None if it could so far."""
    path = folder / FAULT
    if not path.exists():
        return None
    said = json.loads(path.read_text(encoding="utf-8"))
    return ProgramFault(said["kind"], said["what"], said["line"])
