"""States come back as they were, whole files are told from damaged ones, and old ones go."""

from __future__ import annotations

import logging
import random
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from prefrl import checkpoints
from prefrl.testing.resuming import leaves

STATE = {
    "none": None, "yes": True, "big": 2**127 + 1, "x": 0.1, "name": "clip", "bytes": b"\x00",
    "arrays": (np.arange(6, dtype=np.uint32).reshape(2, 3), np.array([True, False]), np.array(1.5, np.float32)),
    "scalar": np.float64(0.1), "tensor": torch.ones(2, dtype=torch.bfloat16), "list": [np.empty((0, 4)), {"deep": 3}],
    3: OrderedDict(b=1, a=2),
}  # fmt: skip


def test_a_state_comes_back_with_every_type_and_bit(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "checkpoints", 20, STATE, keep=2)
    back = checkpoints.newest(tmp_path / "checkpoints")
    pairs = list(zip(leaves(STATE), leaves(back), strict=True))
    assert len(pairs) == 15
    for (path, ours), (there, theirs) in pairs:
        assert (path, type(ours)) == (there, type(theirs))
        if isinstance(ours, np.ndarray | np.generic):
            assert (ours.dtype, ours.shape, ours.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())
        else:
            assert torch.equal(ours, theirs) if isinstance(ours, torch.Tensor) else ours == theirs
    assert isinstance(back[3], OrderedDict)
    assert isinstance(back["arrays"], tuple)


def test_what_cannot_be_held_is_named() -> None:
    with pytest.raises(TypeError, match=r"state\.sources\[1\]\.open is a set, which a checkpoint cannot hold"):
        checkpoints.packed({"sources": [0, {"open": {1}}]})


def test_the_last_ones_are_kept_with_the_policies_beside_them(tmp_path: Path) -> None:
    for step in (900, 1000, 1100):
        (tmp_path / f"rl_model_{step}_steps.zip").write_text("")
        checkpoints.write(tmp_path, step, {"step": step}, keep=2)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{kind}_{step}_steps.{end}" for step in (1000, 1100) for kind, end in (("rl_model", "zip"), ("state", "pt"))}  # fmt: skip
    assert checkpoints.newest(tmp_path) == {"step": 1100}


@pytest.mark.parametrize("damage", ["flipped", "short", "empty"])
def test_a_damaged_one_falls_back_to_the_one_before(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints.write(tmp_path, 1, {"values": torch.arange(1000.0)}, keep=2)
    path = checkpoints.write(tmp_path, 2, {"values": torch.zeros(1000)}, keep=2)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes({"flipped": bytes(data), "short": bytes(data[:-100]), "empty": b""}[damage])
    with caplog.at_level(logging.WARNING):
        back = checkpoints.newest(tmp_path)
    assert back is not None
    assert back["values"][999] == 999
    assert "state_2_steps.pt is damaged" in caplog.text


def test_without_a_whole_one_there_is_none(tmp_path: Path) -> None:
    assert checkpoints.newest(tmp_path / "never") is None
    (tmp_path / "state_7_steps.pt").write_text("not a zip")
    (tmp_path / "state_8_steps.tmp").write_text("half written")
    assert checkpoints.newest(tmp_path) is None


def test_generators_go_on_where_they_were() -> None:
    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.normal()), float(torch.rand(()))

    np.random.normal()  # leaves a second normal number waiting
    state = checkpoints.unpacked(checkpoints.packed(checkpoints.generators()))
    first = drawn()
    checkpoints.set_generators(state)
    assert drawn() == first


def test_parts_without_a_state_are_left_alone() -> None:
    assert checkpoints.state_of(object()) is None
    checkpoints.restore(object(), None)
