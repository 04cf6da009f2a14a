"""Programs that nobody has read, run on batches of steps without reach to files, network or other processes.

language  a text in, complaints by line out: the positive list, for good messages
names     what that list holds
tiers     how safely it can be run on this machine, and how that is started
seccomp   the filter of system calls
box       the host's side: start, feed, time, check
held      a worker's processes and memory, ended together
trial     whether a program is a function of each step alone
worker    the other side, in a process of its own
"""

from prefrl.sandbox.box import Box, Limits, ProgramFault, Rewards
from prefrl.sandbox.language import Complaint, complaints
from prefrl.sandbox.tiers import Tier, obstacle, require
from prefrl.sandbox.trial import tried

__all__ = [
    "Box", "Complaint", "Limits", "ProgramFault", "Rewards", "Tier", "complaints", "obstacle", "require", "tried",
]  # fmt: skip
