"""Pickles of numbers are read as numbers, by whatever protocol and NumPy; nothing in a file is ever run."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl.forms.plain_pickle import NotPlainError, plain

numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.booleans() | st.none()
nested = st.lists(
    numbers | st.lists(numbers, max_size=3) | st.text(max_size=3) | st.binary(max_size=3).filter(len), max_size=20
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(nested, st.sampled_from([0, 1, 2, 3, 4, 5]))
def test_plain_lists_come_back(values: list, protocol: int) -> None:
    if protocol < 3:
        values = [value for value in values if not isinstance(value, bytes)]
    assert plain(pickle.dumps(values, protocol)) == values


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["<i4", ">i8", "<f8", "<u2"])
@pytest.mark.parametrize("shape", [(6,), (2, 3)])
def test_arrays_come_back_as_lists(protocol: int, dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(6).astype(dtype).reshape(shape)
    if protocol == 5:  # NumPy then pickles out of band by another function, which is not needed for published labels
        with pytest.raises(NotPlainError, match="_frombuffer"):
            plain(pickle.dumps(array, protocol))
        return
    assert plain(pickle.dumps(array, protocol)) == array.tolist()
    if len(shape) == 2:
        assert plain(pickle.dumps(np.asfortranarray(array), protocol)) == array.tolist()


class Runs:
    def __init__(self, call: object, *arguments: object) -> None:
        self.what = (call, arguments)

    def __reduce__(self) -> tuple:
        return self.what


@pytest.mark.parametrize("protocol", range(6))
def test_code_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    there = tmp_path / "there"
    for call, arguments in (
        (os.system, (f"touch {there}",)),
        (eval, (f"open({str(there)!r}, 'w')",)),
        (subprocess.call, (["touch", str(there)],)),
    ):
        with pytest.raises(NotPlainError):
            plain(pickle.dumps([1, Runs(call, *arguments)], protocol))
    assert not there.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x80\x04", b"\x80\x04.", b"garbage", b"\x80\x04]\x94(K\x01K\x02", b"cos\nsystem\n(S'true'\ntR.", b"e.", b"\x80\x04N.",
        b"\x80\x04h\x05.", b"\x80\x04\x8c\x05numpy\x8c\x07ndarray\x93.", b"\x80\x04\x8c\x05numpy\x8c\x05dtype\x93)R.", b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00utf7\x86R.",
        pickle.dumps({"a": 1}), pickle.dumps((1, 2)), pickle.dumps(3), pickle.dumps(np.array([None, "x"]), 4), pickle.dumps(np.array(["x"]), 4), pickle.dumps(np.float64(1), 4),
    ],
)  # fmt: skip
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(NotPlainError):
        plain(data)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=40), st.integers(0, 500), st.integers(0, 255))
def test_no_bytes_do_more_than_be_refused(noise: bytes, at: int, byte: int) -> None:
    whole = bytearray(pickle.dumps(np.arange(5), 4))
    whole[at % len(whole)] = byte
    for data in (noise, b"\x80\x04" + noise + b".", bytes(whole)):
        try:
            found = plain(data)
        except NotPlainError:
            continue
        assert isinstance(found, list)
