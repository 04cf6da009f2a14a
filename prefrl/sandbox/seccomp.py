"""Names of system calls in, a seccomp filter as bytes out, by libseccomp."""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any

from prefrl.errors import EnvironmentMissing

LIBRARY = "libseccomp.so.2"
_ALLOW, _KILL_PROCESS, _ERRNO_EPERM = 0x7FFF0000, 0x80000000, 0x00050000 | 1
_EQUAL, _MASKED_EQUAL = 4, 7  # of enum scmp_compare
_PROT_EXEC = 4

# What arithmetic on arrays needs once everything is imported; no file, no process, no socket, no signal can be reached
ALLOWED = (
    "brk", "munmap", "mremap", "madvise", "futex", "rt_sigreturn", "rt_sigprocmask", "rt_sigaction", "sigaltstack",
    "restart_syscall", "clock_gettime", "clock_getres", "gettimeofday", "time", "getrandom", "sched_yield", "getpid",
    "gettid", "membarrier", "exit", "exit_group",
)  # fmt: skip
KILLED = ("ptrace", "process_vm_readv", "process_vm_writev", "bpf", "userfaultfd", "io_uring_setup", "keyctl", "mount",
          "unshare", "setns", "execve", "execveat")  # fmt: skip


class _Comparison(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def library() -> Any:
    """libseccomp; `EnvironmentMissing` if it is not there."""
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise EnvironmentMissing(
            f"the sandbox needs {LIBRARY}, which is not here; `apt install libseccomp2` on Debian brings it."
        ) from error


@functools.cache
def filter_program() -> bytes:
    """The BPF program of a worker: read from 0, write to 1, memory that cannot be executed, and `ALLOWED`.

    Everything else fails with EPERM, which a program gets to see as an error with its line; what only an attack would
    try ends the process.
    """
    seccomp = library()
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_ERRNO_EPERM)))
    if not context:
        raise EnvironmentMissing("the sandbox needs seccomp, which this kernel does not have.")
    try:
        for name in ALLOWED:
            _add(seccomp, context, _ALLOW, name)
        for name in KILLED:
            _add(seccomp, context, _KILL_PROCESS, name)
        _add(seccomp, context, _ALLOW, "read", _Comparison(0, _EQUAL, 0, 0))
        _add(seccomp, context, _ALLOW, "write", _Comparison(0, _EQUAL, 1, 0))
        for name in ("mmap", "mprotect"):
            _add(seccomp, context, _ALLOW, name, _Comparison(2, _MASKED_EQUAL, _PROT_EXEC, 0))
        descriptor = os.memfd_create("filter")
        try:
            seccomp.seccomp_export_bpf(context, descriptor)
            return os.pread(descriptor, 1 << 16, 0)
        finally:
            os.close(descriptor)
    finally:
        seccomp.seccomp_release(context)


def _add(seccomp: Any, context: ctypes.c_void_p, action: int, name: str, *when: _Comparison) -> None:
    """A call that this architecture does not have is left out: what is not named is not allowed."""
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    if number >= 0:
        compared = (_Comparison * len(when))(*when)
        failed = seccomp.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(when), compared)
        if failed:
            raise EnvironmentMissing(f"the sandbox's filter cannot be made: libseccomp refuses '{name}' ({failed}).")
