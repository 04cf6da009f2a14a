"""Each call in a fresh process of this machine, as many at a time as there are processors; nothing outlives its caller."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from prefrl.errors import RunError
from prefrl.executors import in_order
from prefrl.executors.options import LocalOptions

PATIENCE = 5.0  # seconds that an ended call may take to leave


class LocalExecutor:
    """Spawned processes: a call that crashes takes nothing with it, and one that leaks memory gives it back."""

    def __init__(self, options: LocalOptions) -> None:
        self.jobs = options.jobs or processors()

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return in_order(self.completed(function, items))

    def completed(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        waiting = enumerate(items)
        running: dict[Connection, tuple[int, BaseProcess]] = {}
        try:
            while True:
                while len(running) < self.jobs and (started := next(waiting, None)) is not None:
                    number, item = started
                    end, process = _started(function, item)
                    running[end] = number, process
                if not running:
                    return
                for end in [end for end in wait(list(running)) if isinstance(end, Connection)]:
                    number, process = running.pop(end)
                    yield number, _result(end, process)
        finally:
            for _, process in running.values():
                process.kill()


def processors() -> int:
    """Those this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _started(function: Callable[[Any], Any], item: Any) -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(function, item, theirs))
    process.start()
    theirs.close()  # the only other end is the process's own: it ends, and ours says so
    return ours, process


def _result(end: Connection, process: BaseProcess) -> Any:
    """What the process sent; an exception if it raised one, or died."""
    try:
        result = end.recv()
    except EOFError:
        process.join()
        result = RunError(f"the process of a call died (exit code {process.exitcode}; -9 is often a lack of memory).")
    end.close()
    process.join(PATIENCE)
    process.kill()
    return result


def _call(function: Callable[[Any], Any], item: Any, end: Connection) -> None:
    """In the new process: send the result of ``function(item)``, or its exception."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        result = function(item)
    except Exception as error:  # noqa: BLE001  it is the caller's to judge
        result = _portable(error)
    end.send(result)


def _portable(error: Exception) -> Exception:
    """The exception, or its text where it cannot travel between processes."""
    with suppress(Exception):
        if type(pickle.loads(pickle.dumps(error))) is type(error):  # noqa: S301  our own bytes
            return error
    return RunError("".join(traceback.format_exception(error)))


def _leave_with_parent() -> None:
    """Whoever waits for the result is gone, killed perhaps: nobody would ever collect it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
