"""Steps of a vectorised environment in, growing episodes out; SB3 is handed reward 0.0.

Three parts, because no one place sees everything: `RecordedEnv` puts MuJoCo state, true reward and factors into info
before an auto-reset, `RecordingVecEnv` copies raw observations and executed actions and hides the reward, and
`PolicyOutputs` adds what the policy sampled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from prefrl.rollout.environments import STATE_SPEC, Record, factors_of, flat, flat_shape, mujoco_of
from prefrl.rollout.snapshots import restore, snapshot
from prefrl.rollout.termination import ABSORBED, Endings, endings
from prefrl.types import Array, EnvInfo, Episode

KEY = "prefrl"  # of the record inside an info
BOUNDARIES = ("obs", "states")  # channels with a row more than there are steps
ROWS = 128  # steps a new episode has room for; it doubles when they are used up


class RecordedEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Directly around an environment as made: what only it knows of a step goes into ``info["prefrl"]``."""

    def __init__(self, env: gym.Env[Any, Any], info: EnvInfo) -> None:
        super().__init__(env)
        self._info = info
        self._mujoco = mujoco_of(env)
        self._state_size = mujoco.mj_stateSize(self._mujoco[0], STATE_SPEC) if self._mujoco else 0

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        obs, info = self.env.reset(**kwargs)
        return obs, {**info, KEY: {"state": self._state()}}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        executed = np.array(action)
        obs, reward, terminated, truncated, info = self.env.step(action)
        costs = info.get("costs", {})
        record = Record(
            state=self._state(),
            true_reward=float(reward),
            action=executed,
            factors=factors_of(info, self._info.factors),
            cost={name: float(costs.get(name, np.nan)) for name in self._info.costs},
            terminated=terminated,
            extras={ABSORBED: info[ABSORBED]} if ABSORBED in info else {},
        )
        return obs, reward, terminated, truncated, Record({**info, KEY: record})

    def _state(self) -> Array | None:
        if self._mujoco is None:
            return None
        model, data = self._mujoco
        state = np.empty(self._state_size)
        mujoco.mj_getState(model, data, state, STATE_SPEC)
        return state


TRACK = (
    "id",
    "env_index",
    "begin",
    "length",
    "seen",
    "terminated",
    "truncated",
    "success",
    "numbers",
)  # but for its rows


class Track:
    """One episode while it is recorded: arrays that grow, and views of them.

    All numbers of a step are one row, because putting them one by one would take longer than MuJoCo's step.
    """

    def __init__(self, episode_id: str, env_id: str, env_index: int, begin: int) -> None:
        self.id, self.env_id, self.env_index, self.begin = episode_id, env_id, env_index, begin
        self.length = 0
        self.seen = 0  # steps handed out by `Recording.fresh`
        self.terminated = self.truncated = False
        self.success: float | None = None
        self.rows: dict[str, Array] = {}
        self.numbers: tuple[str, ...] = ()  # columns of rows["numbers"]: "true_reward", "factor:<name>", "cost:<name>"

    @classmethod
    def restored(cls, env_id: str, fields: Mapping[str, Any]) -> Track:
        """One without rows, from the values of `TRACK`."""
        track = cls(fields["id"], env_id, fields["env_index"], fields["begin"])
        for name in TRACK:
            setattr(track, name, fields[name])
        return track

    def reset(self, obs: Array, state: Array | None) -> None:
        """The observation and state it starts from."""
        self._put("obs", 0, obs)
        if state is not None:
            self._put("states", 0, state)

    @property
    def done(self) -> bool:
        return self.terminated or self.truncated

    def add(self, obs: Array, record: dict[str, Any]) -> None:
        """Append one step whose action led to `obs`."""
        t = self.length
        self._put("obs", t + 1, obs)
        self._put("action", t, record["action"])
        factors, cost = record["factors"], record["cost"]
        if not self.numbers:
            self.numbers = ("true_reward", *(f"factor:{name}" for name in factors), *(f"cost:{name}" for name in cost))
        self._put("numbers", t, [record["true_reward"], *factors.values(), *cost.values()])
        for name, value in record.get("extras", {}).items():
            self._put(f"extra:{name}", t, value)
        if record["state"] is not None:
            self._put("states", t + 1, record["state"])
        self.length = t + 1

    def add_policy(self, action: Array, log_prob: float | None) -> None:
        """What the policy sampled for the step added last."""
        self._put("policy_action", self.length - 1, action)
        if log_prob is not None:
            self._put("log_prob", self.length - 1, log_prob)

    def _put(self, name: str, row: int, value: Any) -> None:
        array = self.rows.get(name)
        if array is None or row >= len(array):
            array = self.rows[name] = _grown(array, row, np.asarray(value))
        array[row] = value

    def numbers_of(self, name: str) -> Array:
        """Rows (L,) of one of `numbers`."""
        return self.rows["numbers"][:, self.numbers.index(name)]

    def view(self, start: int = 0, stop: int | None = None) -> Episode:
        """Steps [start, stop) as an Episode of views: nothing is copied, later steps do not change it."""
        stop = self.length if stop is None else stop
        rows = self.rows
        named = {name: array[start:stop] for name, array in rows.items()}
        named |= {name: self.numbers_of(name)[start:stop] for name in self.numbers}

        def channels(prefix: str) -> dict[str, Array]:
            return {name.removeprefix(prefix): array for name, array in named.items() if name.startswith(prefix)}

        at_end = stop == self.length
        return Episode(
            id=self.id,
            obs=rows["obs"][start : stop + 1],
            action=named.get("action", np.empty((0,))),
            true_reward=named.get("true_reward"),
            policy_action=named.get("policy_action"),
            log_prob=named.get("log_prob"),
            cost=channels("cost:"),
            factors=channels("factor:"),
            extras=channels("extra:"),
            states=rows["states"][start : stop + 1] if "states" in rows else None,
            terminated=self.terminated and at_end,
            truncated=self.truncated and at_end,
            begin=self.begin,
            env_id=self.env_id,
        )


def _filled(track: Track, name: str) -> Array:
    """The rows of a channel that the track's steps fill; what nobody put is unknown."""
    array, rows = track.rows[name], track.length + (name in BOUNDARIES)
    return array[:rows] if len(array) >= rows else _grown(array, rows - 1, array[0])[:rows]


def _grown(array: Array | None, row: int, like: Array) -> Array:
    """`array` with room for `row`; rows that nobody fills (the policy was not asked) are NaN, or 0 where integers."""
    old = np.empty((0, *like.shape), like.dtype) if array is None else array
    unknown = np.nan if old.dtype.kind == "f" else 0
    return np.concatenate([old, np.full((max(ROWS, row + 1), *old.shape[1:]), unknown, old.dtype)])


class Recording:
    """All episodes of one vectorised environment, oldest first; `keep` bounds how many recent steps are held."""

    def __init__(self, name: str, env: EnvInfo, n_envs: int, keep: int | None = None) -> None:
        self.name, self.env, self.n_envs, self.keep = name, env, n_envs, keep
        self.steps = 0
        self.tracks: list[Track] = []
        self.current: list[Track] = []  # one per environment
        self.stepped: list[Track] = []  # those the last step went to
        self.endings = Endings()  # of all episodes so far, forgotten ones included
        self._unseen: list[Track] = []  # those in progress or with steps not handed out
        self._begun = 0

    def begin(self, index: int, obs: Array, state: Array | None) -> None:
        """Environment `index` was reset to `obs`."""
        track = Track(f"{self.name}/{self._begun}", self.env.id, index, self.steps)
        track.reset(obs, state)
        self._begun += 1
        self.tracks.append(track)
        self._unseen.append(track)
        self.current[index : index + 1] = [track]

    def add(self, obs: Sequence[Array], records: Sequence[dict[str, Any]]) -> None:
        """One step of every environment; `obs` are what the actions led to, terminal ones included."""
        for track, ob, record in zip(self.current, obs, records, strict=True):
            track.add(ob, record)
        self.stepped = list(self.current)
        self.steps += self.n_envs

    def interrupt(self) -> None:
        """All environments are about to be reset: what was in progress ends here."""
        for track in self.current:
            track.truncated = True
        self.tracks = [track for track in self.tracks if track.length]
        self.current = []

    def fresh(self) -> Iterator[tuple[Track, int]]:
        """(episode, its first step not handed out before), in order of time within each environment."""
        for track in self._unseen:
            if track.seen < track.length:
                first, track.seen = track.seen, track.length
                yield track, first
        if any(track.done for track in self._unseen):
            self._unseen = [track for track in self._unseen if not track.done]
            self._prune()

    def recent(self, steps: int) -> list[Episode]:
        """Views of about the last `steps` steps."""
        oldest, parts = self.steps - steps, []
        for track in self.tracks:
            first = max(0, -((track.begin - oldest) // self.n_envs))
            if first < track.length:
                parts.append(track.view(first))
        return parts

    def state_dict(self, others: Iterable[Track] = ()) -> dict[str, Any]:
        """All episodes, and `others` that are forgotten here but needed elsewhere; their rows one after the other."""
        tracks = list({track.id: track for track in [*self.tracks, *self._unseen, *self.current, *others]}.values())
        names = sorted({name for track in tracks for name in track.rows})
        having = {name: [i for i, track in enumerate(tracks) if name in track.rows] for name in names}
        return {
            "counts": (self.steps, self._begun),
            "endings": asdict(self.endings),
            "tracks": [{name: getattr(track, name) for name in TRACK} for track in tracks],
            "rows": {name: np.concatenate([_filled(tracks[i], name) for i in having[name]]) for name in names},
            "having": having,
            "held": [track.id for track in self.tracks],
            "unseen": [track.id for track in self._unseen],
            "current": [track.id for track in self.current],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> dict[str, Track]:
        """Every episode of the state by id, `others` too."""
        self.steps, self._begun = state["counts"]
        self.endings = Endings(**state["endings"])
        tracks = [Track.restored(self.env.id, fields) for fields in state["tracks"]]
        for name, rows in state["rows"].items():
            taken = [tracks[i] for i in state["having"][name]]
            ends = np.cumsum([track.length + (name in BOUNDARIES) for track in taken])
            for track, part in zip(taken, np.split(rows, ends[:-1]), strict=True):
                track.rows[name] = part.copy()
        known = {track.id: track for track in tracks}
        self.tracks, self._unseen, self.current = (
            [known[id] for id in state[which]] for which in ("held", "unseen", "current")
        )
        self.stepped = []
        return known

    def _prune(self) -> None:
        """Forget episodes that ended before the last `keep` steps."""
        if self.keep is not None:
            oldest = self.steps - self.keep
            self.tracks = [t for t in self.tracks if not t.done or t.begin + t.length * self.n_envs > oldest]


class RecordingVecEnv(VecEnvWrapper):
    """Directly on the VecEnv and inside VecNormalize: copies what really happened and hands SB3 reward 0.0.

    The recording copies every value when it is put, because VecNormalize later overwrites terminal observations.
    """

    def __init__(self, venv: VecEnv, recording: Recording) -> None:
        super().__init__(venv)
        self.recording = recording

    def reset(self) -> VecEnvObs:
        self.recording.interrupt()
        obs = self.venv.reset()
        for i, row in enumerate(self._raw(obs)):
            self.recording.begin(i, row, self.venv.reset_infos[i][KEY]["state"])
        return obs

    def step_wait(self) -> VecEnvStepReturn:
        obs, _, dones, infos = self.venv.step_wait()
        raw = self._raw(obs)
        space = self.venv.observation_space
        led_to = [flat(space, infos[i]["terminal_observation"]) if done else raw[i] for i, done in enumerate(dones)]
        self.recording.add(led_to, [info[KEY] for info in infos])
        for i in np.flatnonzero(dones).tolist():
            track = self.recording.current[i]
            track.terminated = bool(infos[i][KEY]["terminated"])
            track.truncated = not track.terminated
            self.recording.endings += endings([track.view()])
            self.recording.begin(i, raw[i], self.venv.reset_infos[i][KEY]["state"])
        for info in infos:
            del info[KEY]
        return obs, np.zeros(self.num_envs, np.float32), dones, infos

    def state_dict(self, others: Iterable[Track] = ()) -> dict[str, Any]:
        """The recording (see there), and each environment's own state where it can be had."""
        return {"recording": self.recording.state_dict(others), "envs": _snapshots(self.venv)}

    def load_state_dict(self, state: Mapping[str, Any]) -> tuple[dict[str, Track], bool]:
        """(episodes by id, whether the environments go on exactly where they were); if not, they are to be reset."""
        known = self.recording.load_state_dict(state["recording"])
        for env, saved in zip(_steppable(self.venv), state["envs"] or (), strict=False):
            restore(env, saved)
        return known, state["envs"] is not None

    def _raw(self, obs: VecEnvObs) -> Sequence[Array]:
        """One recorded observation per environment."""
        if isinstance(obs, np.ndarray):
            return list(obs.reshape(self.num_envs, *flat_shape(self.venv.observation_space)))
        rows: Iterable[Any]
        if isinstance(obs, dict):
            rows = [{key: values[i] for key, values in obs.items()} for i in range(self.num_envs)]
        else:
            rows = zip(*obs, strict=True)
        return [flat(self.venv.observation_space, row) for row in rows]


def _steppable(venv: VecEnv) -> list[gym.Env[Any, Any]]:
    """The environments of a DummyVecEnv; those simulated as one batch cannot be looked into."""
    return list(getattr(venv, "envs", ()))


def _snapshots(venv: VecEnv) -> list[dict[str, Any]] | None:
    taken = [snapshot(env) for env in _steppable(venv)]
    return [state for state in taken if state is not None] if taken and None not in taken else None


class PolicyOutputs(BaseCallback):
    """Adds to the step recorded last what the policy sampled for it: PPO's unclipped action and its log-probability."""

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self.recording = recording

    def _on_step(self) -> bool:
        actions = self.locals.get("actions") if "buffer_actions" not in self.locals else self.locals["buffer_actions"]
        log_probs = self.locals.get("log_probs")
        if actions is not None:
            logs = None if log_probs is None else log_probs.cpu().numpy()
            for i, track in enumerate(self.recording.stepped):
                track.add_policy(actions[i], None if logs is None else logs[i])
        return True
