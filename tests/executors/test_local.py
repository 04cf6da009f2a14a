from __future__ import annotations

import operator
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from prefrl.errors import ConfigError, RunError
from prefrl.executors import in_order
from prefrl.executors.local import LocalExecutor, processors
from prefrl.executors.options import LocalOptions


def test_every_call_has_a_process_of_its_own_and_results_come_in_order() -> None:
    executor = LocalExecutor(LocalOptions(jobs=2))
    pids = list(executor.map(operator.methodcaller("__call__"), [os.getpid, os.getpid]))
    assert len({*pids, os.getpid()}) == 3
    assert list(executor.map(abs, [-2, 3])) == [2, 3]


def test_what_a_call_raises_is_its_result_and_map_raises_it() -> None:
    executor = LocalExecutor(LocalOptions(jobs=1))
    ((number, result),) = executor.completed(operator.neg, ["text"])
    assert number == 0
    assert isinstance(result, TypeError)
    with pytest.raises(TypeError, match="bad operand"):
        list(executor.map(operator.neg, ["text"]))


def test_a_call_that_dies_takes_nothing_with_it() -> None:
    results = dict(
        LocalExecutor(LocalOptions(jobs=1)).completed(operator.methodcaller("__call__"), [os.abort, os.getppid])
    )
    assert isinstance(results[0], RunError)
    assert "died (exit code -6" in str(results[0])
    assert results[1] == os.getpid()


PARENT = """
import sys, time
from prefrl.executors.local import LocalExecutor
from prefrl.executors.options import LocalOptions

if __name__ == "__main__":
    for _ in LocalExecutor(LocalOptions(jobs=1)).completed(exec, [sys.argv[1]]):
        pass
"""
CHILD = """
import os, time
open({path!r}, "w").write(str(os.getpid()))
time.sleep(600)
"""


def test_calls_end_with_the_process_that_waits_for_them(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, str(script), CHILD.format(path=str(tmp_path / "child"))])
    try:
        child = int(_wait(lambda: (tmp_path / "child").read_text() if (tmp_path / "child").exists() else ""))
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    _wait(lambda: not _alive(child))


def _alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def _wait(found: Any) -> Any:
    for _ in range(500):
        if result := found():
            return result
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def test_results_are_put_in_order() -> None:
    assert list(in_order(iter([(2, "c"), (0, "a"), (1, "b")]))) == ["a", "b", "c"]
    with pytest.raises(ConfigError, match="wrong"):
        list(in_order(iter([(1, "b"), (0, ConfigError("wrong"))])))


def test_as_many_at_a_time_as_there_are_processors() -> None:
    assert LocalExecutor(LocalOptions()).jobs == processors() >= 1
