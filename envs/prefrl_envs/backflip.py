"""HopperBackflip: the hopper's body is to jump and turn over backwards; nobody wrote a reward, it is always 0.

How well it does is known to `prefrl_envs.scores.backflip` alone, which reads recorded states after the fact; neither
reward nor info says anything about it.
"""

from __future__ import annotations

from dataclasses import replace

from prefrl_envs import hopper, planar
from prefrl_envs.task import Array, Named, State, Task, TaskEnv


def rewards(before: State, action: Array, after: State) -> Named:
    """None were designed."""
    return {}


def charge(before: State, action: Array, after: State) -> Named:
    """Work of the motors."""
    return planar.work(hopper.GEAR, before, action, after)


TASK = Task(
    model="hopper.xml",
    text="Do backflips: jump off the one leg, turn over backwards in the air, and land on the foot, again and again.",
    camera="track",
    frame_skip=5,
    observations=hopper.TASK.observations,
    factors={name: replace(quantity, privileged=False) for name, quantity in hopper.TASK.factors.items()},
    costs=planar.COSTS,
    initial=planar.initial,
    observe=planar.observe,
    rewards=rewards,
    measure=hopper.measure,
    charge=charge,
)


class HopperBackflipEnv(TaskEnv):
    """`prefrl_envs:HopperBackflip-v0`, 250 steps of 0.025 s; a fall ends nothing."""

    task = TASK
    metadata = TASK.metadata(fps=40)
