"""A worker's process, its pipes and its memory; all of it is given back at once, whatever happens to who holds it."""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import subprocess

_SECONDS = 5  # for the kernel to end what was killed


class Held:
    """`init` is a pidfd of what holds all processes of the worker: when it is gone, so are they."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.init = -1
        self.descriptors: list[int] = []  # of shared memory
        self.views: list[mmap.mmap] = []

    def end(self) -> None:
        """Kill, wait, close; a second time does nothing."""
        process, self.process = self.process, None
        if process is not None:
            if self.init >= 0:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self.init, signal.SIGKILL)
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                assert pipe is not None
                with contextlib.suppress(OSError):
                    pipe.close()
        if self.init >= 0:
            poll = select.poll()
            poll.register(self.init, select.POLLIN)  # readable when the process is gone
            poll.poll(_SECONDS * 1000)
            os.close(self.init)
            self.init = -1
        while self.descriptors:
            os.close(self.descriptors.pop())
        while self.views:
            with contextlib.suppress(BufferError):  # somebody looks at it still; it goes with them
                self.views.pop().close()
