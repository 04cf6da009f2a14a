"""Episodes come out of files as they were written, and whatever is wrong with a file is one sentence that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefrl.errors import ConfigError, DataError, EnvironmentMissing
from prefrl.recordings import read
from prefrl.types import EnvInfo, Factor

ENV = EnvInfo("Toy-v0", (3,), (2,), factors={"height": Factor("height")}, costs=("energy",))


def rows(steps: int = 4, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(steps)
    return {"obs": rng.normal(size=(steps + 1, 3)), "action": rng.normal(size=(steps, 2)), **more}


def save(folder: Path, name: str, **arrays: Any) -> None:
    np.savez(folder / f"{name}.npz", **arrays)


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    second = rows(
        5, true_reward=np.arange(5), states=np.zeros((6, 9)), terminated=np.array(True),
        **{"factors/height": np.array([1, 2, np.nan, 4, 5]), "cost/energy": np.ones(5), "extras/mood": np.ones(5)},
    )  # fmt: skip
    save(tmp_path, "b", **second)
    save(tmp_path, "a", **rows(4))
    first, other = read(str(tmp_path), ENV)
    assert (len(first), first.truncated, first.terminated, first.true_reward, first.states) == (
        4,
        True,
        False,
        None,
        None,
    )
    assert (first.id, first.env_id) == (f"{tmp_path.name}/a", "Toy-v0")
    assert (len(other), other.terminated, other.truncated) == (5, True, False)
    for name in ("obs", "action", "true_reward", "states"):
        assert np.array_equal(getattr(other, name), second[name])
    assert np.array_equal(other.factors["height"], second["factors/height"], equal_nan=True)
    assert set(other.cost) == {"energy"}
    assert set(other.extras) == {"mood"}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"obs": np.zeros((5, 3))}, "holds no 'action'"),
        (rows(obs=np.zeros((4, 3))), r"'obs' is of shape \(4, 3\), and Toy-v0 needs \(5, 3\)"),
        (rows(obs=np.zeros((5, 4))), r"needs \(5, 3\)"),
        (rows(action=np.zeros((4, 1))), r"'action' is of shape \(4, 1\), and Toy-v0 needs \(4, 2\)"),
        (rows(0), "needs at least one step"),
        (rows(true_reward=np.zeros(3)), r"'true_reward' .* needs \(4,\)"),
        (rows(states=np.zeros((4, 7))), r"'states' .* needs \(5, 7\)"),
        (rows(reward=np.zeros(4)), "'reward' is not known. Allowed: .*Did you mean 'true_reward'"),
        (rows(**{"factors/hight": np.zeros(4)}), "nothing that Toy-v0 has. .*Did you mean 'height'"),
        (rows(**{"cost/time": np.zeros(4)}), "Allowed: energy"),
        (rows(action=np.full((4, 2), np.inf)), "'action' holds values that are not finite"),
        (rows(action=np.full((4, 2), "a")), "holds no numbers"),
        (rows(action=np.full((4, 2), None)), "is no npz of plain arrays"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    save(tmp_path, "one", **arrays)
    with pytest.raises(DataError, match=words) as caught:
        read(str(tmp_path), ENV)
    assert "one.npz" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and nothing more", b"\x80\x04K\x01.", b"text"])
def test_a_file_that_is_no_archive_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "one.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"one\.npz: is no npz of plain arrays"):
        read(str(tmp_path), ENV)


def test_an_empty_or_absent_folder_is_said(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError, match="no recorded episodes are there"):
            read(str(folder), ENV)


def test_without_minari_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "minari", None)
    with pytest.raises(EnvironmentMissing, match=r"pip install 'prefrl\[minari\]'"):
        read("minari:mujoco/hopper/expert-v0", ENV)


@pytest.mark.filterwarnings("ignore:env_spec is None:UserWarning")
@pytest.mark.filterwarnings("ignore:`eval_env` is set to None:UserWarning")
def test_a_minari_data_set_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    minari = pytest.importorskip("minari")
    pytest.importorskip("h5py")
    from gymnasium import spaces
    from minari.data_collector import EpisodeBuffer

    place = spaces.Dict({"a": spaces.Box(-1, 1, (1,)), "b": spaces.Box(-1, 1, (2,))})
    step = [{"a": np.full(1, t / 10, np.float32), "b": np.full(2, -t / 10, np.float32)} for t in range(4)]
    buffer = EpisodeBuffer(
        id=0,
        observations={key: [one[key] for one in step] for key in ("a", "b")},
        actions=[np.full(2, t / 10, np.float32) for t in range(3)],
        rewards=[0.0, 1.0, 2.0],
        terminations=[False, False, True],
        truncations=[False, False, False],
        infos={},
    )
    minari.create_dataset_from_buffers(
        "toy/walk-v0", [buffer], observation_space=place, action_space=spaces.Box(-1, 1, (2,)), author="a",
        author_email="a@b.c", code_permalink="c", algorithm_name="none", description="none",
    )  # fmt: skip
    (episode,) = read("minari:toy/walk-v0", ENV)
    assert episode.obs == pytest.approx(np.stack([[t / 10, -t / 10, -t / 10] for t in range(4)]))
    assert episode.true_reward is not None
    assert episode.true_reward.tolist() == [0, 1, 2]
    assert (len(episode), episode.terminated) == (3, True)
    with pytest.raises(ConfigError, match=r"no such data set on this machine. Allowed: toy/walk-v0"):
        read("minari:toy/wlk-v0", ENV)
