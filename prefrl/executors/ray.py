"""Each call as a task of Ray Core, on whichever node has a free processor; calls of a node that is lost are made again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prefrl.errors import EnvironmentMissing, RunError
from prefrl.executors import in_order
from prefrl.executors.options import RayOptions


class RayExecutor:
    """Connects at the first call: to RAY_ADDRESS if it is set (``auto`` for this machine's cluster), else starts its own.

    Every node needs the same prefrl, environments and plugins; nothing else is shared, results travel back.
    """

    def __init__(self, options: RayOptions) -> None:
        self._options = options

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return in_order(self.completed(function, items))

    def completed(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        ray = _connected(self._options.jobs)
        # max_calls: a worker makes one call and leaves, so that memory, threads and generators are fresh for each
        task = ray.remote(max_calls=1, max_retries=self._options.losses, num_cpus=1)(function)
        waiting = enumerate(items)
        most = self._options.jobs
        running: dict[Any, int] = {}
        try:
            while True:
                while most is None or len(running) < most:
                    if (started := next(waiting, None)) is None:
                        break
                    running[task.remote(started[1])] = started[0]
                if not running:
                    return
                (ended,), _ = ray.wait(list(running), num_returns=1)
                yield running.pop(ended), _result(ray, ended)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def _connected(jobs: int | None) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    try:
        import ray
    except ImportError as error:
        raise EnvironmentMissing("executor 'ray': Ray is not installed; pip install 'prefrl[ray]'.") from error
    if not ray.is_initialized():
        processors = None if os.environ.get("RAY_ADDRESS") else jobs  # a cluster that exists has its own
        ray.init(num_cpus=processors, log_to_driver=False, include_dashboard=False)
    return ray


def _result(ray: Any, reference: Any) -> Any:
    """What the call returned, or the exception that it raised."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return error.cause if isinstance(error.cause, Exception) else RunError(str(error))
    except ray.exceptions.RayError as error:
        return RunError(f"Ray lost a call more often than it may be made again: {error}")
