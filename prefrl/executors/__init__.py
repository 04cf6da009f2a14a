"""Independent calls in, their results out, wherever they run: processes of this machine, or nodes of a Ray cluster.

    local      one fresh process per call
    ray        Ray Core: several machines, lost calls are made again
    options    what can be set

A call is a function that can be imported and an item that can be pickled. It runs in an interpreter of its own, so that
calls share no memory, no thread count and no generator, and give the same result wherever they run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def in_order(finished: Iterator[tuple[int, Any]]) -> Iterator[Any]:
    """Results in the order of their numbers, each as soon as those before it are there; exceptions are raised."""
    waiting: dict[int, Any] = {}
    following = 0
    for number, result in finished:
        waiting[number] = result
        while following in waiting:
            result = waiting.pop(following)
            if isinstance(result, BaseException):
                raise result
            yield result
            following += 1
