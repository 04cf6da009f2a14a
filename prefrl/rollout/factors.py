"""What is known of Gymnasium's own MuJoCo tasks: id in; task text, factors and costs, and how each is read, out.

The same facts as a task's ``metadata["prefrl"]`` holds. A factor is read from a step's info, under the name it has there,
or from the simulation. Privileged factors are terms of the designed reward, functions of one, or rebuild one together;
`tests/rollout/test_factors.py` steps every task and compares. ``motion`` marks what is 0 while nothing moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Read = Callable[[Mapping[str, Any], Any], float]  # of a step's info and the unwrapped task


@dataclass(frozen=True, slots=True)
class Quantity:
    """One factor or cost: its unit, what it is, and where it is read."""

    unit: str
    summary: str
    read: Read
    privileged: bool = False
    motion: bool = False


@dataclass(frozen=True, slots=True)
class KnownTask:
    """One task; `factors` and `costs` by name."""

    text: str
    factors: Mapping[str, Quantity]
    costs: Mapping[str, Quantity]

    def metadata(self) -> dict[str, Any]:
        """As a task of ours would declare it."""
        return {
            "task": self.text,
            "factors": {
                name: {"unit": q.unit, "privileged": q.privileged, "summary": q.summary, "motion": q.motion}
                for name, q in self.factors.items()
            },
            "costs": {name: {"unit": q.unit, "summary": q.summary} for name, q in self.costs.items()},
        }


def _said(name: str) -> Read:
    return lambda info, _: float(info[name])


def _position(index: int) -> Read:
    return lambda _, task: float(task.data.qpos[index])


def _velocity(index: int) -> Read:
    return lambda _, task: float(task.data.qvel[index])


def _speed(*indices: int) -> Read:
    """Root of the summed squares of some generalised velocities."""
    return lambda _, task: float(sum(task.data.qvel[i] ** 2 for i in indices) ** 0.5)


def _upright(_: Mapping[str, Any], task: Any) -> float:
    """Height of the unit vector that points up in the root body's frame (quaternion in qpos[3:7])."""
    _w, x, y, _z = task.data.qpos[3:7]
    return float(1 - 2 * (x * x + y * y))


def _energy(_: Mapping[str, Any], task: Any) -> float:
    return float(abs(task.data.actuator_force) @ abs(task.data.actuator_velocity)) * float(task.dt)


_ENERGY = {"energy": Quantity("J", "work of all motors in this step, by its last moment, never recovered", _energy)}


def _term(name: str, summary: str, motion: bool = True) -> dict[str, Quantity]:
    return {name: Quantity("1", f"reward term: {summary}", _said(name), privileged=True, motion=motion)}


_FORWARD = {
    "x_velocity": Quantity("m/s", "forward speed", _said("x_velocity"), privileged=True, motion=True),
    **_term("reward_forward", "forward speed, weighted"),
    **_term("reward_ctrl", "minus the weighted sum of squared actions"),
    # what it gains over a clip is the clip's forward reward
    "x_position": Quantity("m", "distance covered since the start", _said("x_position"), privileged=True),
}
_UP = _term("reward_survive", "being healthy")
_TORSO = {
    "torso_height": Quantity("m", "of the torso", _position(1)),
    "vertical_velocity": Quantity("m/s", "of the torso, up is positive", _velocity(1), motion=True),
    "torso_pitch": Quantity("rad", "of the torso, against its upright or level pose", _position(2)),
    "pitch_rate": Quantity("rad/s", "of the torso", _velocity(2), motion=True),
}
_SIDEWAYS = {
    "y_velocity": Quantity("m/s", "sideways speed, left is positive", _said("y_velocity"), motion=True),
    "y_position": Quantity("m", "distance to the left of the start", _said("y_position")),
}
_ORIGIN = {
    "distance_from_origin": Quantity("m", "from where it started", _said("distance_from_origin"), privileged=True)
}
_RISE = {"z_distance_from_origin": Quantity("m", "of the torso above its start", _said("z_distance_from_origin"))}
_ROOT = {
    "torso_height": Quantity("m", "of the torso", _position(2)),
    "vertical_velocity": Quantity("m/s", "of the torso, up is positive", _velocity(2), motion=True),
    "upright": Quantity("1", "1 stands upright, 0 lies on its side, -1 is upside down", _upright),
    "turning_speed": Quantity("rad/s", "how fast the torso turns, any way", _speed(3, 4, 5), motion=True),
}
_CONTACT = _term("reward_contact", "minus the weighted sum of squared contact forces")
_DISTANCE = _term("reward_dist", "minus the distance to the goal", motion=False)
_PLANAR = {**_FORWARD, **_UP, **_RISE, **_TORSO}
_WALKING = {**_FORWARD, **_UP, **_CONTACT, **_SIDEWAYS, **_ORIGIN, **_ROOT}
_CART = {
    "cart_position": Quantity("m", "of the cart, right is positive", _position(0)),
    "cart_velocity": Quantity("m/s", "of the cart, right is positive", _velocity(0), motion=True),
}

TASKS: Mapping[str, KnownTask] = {
    "HalfCheetah-v5": KnownTask(
        "Run forward, to the right, as fast as possible on two legs, with little torque.",
        {**_FORWARD, **_TORSO},
        _ENERGY,
    ),
    "Hopper-v5": KnownTask(
        "Hop forward, to the right, as fast as possible on one leg without falling.", _PLANAR, _ENERGY
    ),
    "Walker2d-v5": KnownTask("Walk forward, to the right, as fast as possible without falling.", _PLANAR, _ENERGY),
    "Swimmer-v5": KnownTask(
        "Swim forward, to the right, as fast as possible by bending two joints.",
        {
            **_FORWARD,
            **_SIDEWAYS,
            **_ORIGIN,
            "heading": Quantity("rad", "of the first link, 0 is to the right", _position(2)),
            "first_joint_speed": Quantity("rad/s", "of the first joint", _velocity(3), motion=True),
            "second_joint_speed": Quantity("rad/s", "of the second joint", _velocity(4), motion=True),
        },
        _ENERGY,
    ),
    "Ant-v5": KnownTask(
        "Walk forward, to the right, as fast as possible on four legs without jumping or falling over.",
        _WALKING,
        _ENERGY,
    ),
    "Humanoid-v5": KnownTask(
        "Walk forward, to the right, as fast as possible on two legs without falling.", _WALKING, _ENERGY
    ),
    "HumanoidStandup-v5": KnownTask(
        "Stand up from lying on the back and stay standing.",
        {
            **_term("reward_linup", "height of the torso over the time step", motion=False),
            **_term("reward_quadctrl", "minus the weighted sum of squared actions"),
            **_term("reward_impact", "minus the weighted sum of squared contact forces", motion=False),
            "z_distance_from_origin": Quantity(
                "m", "of the torso above its start", _said("z_distance_from_origin"), privileged=True
            ),
            "x_position": Quantity("m", "of the torso", _said("x_position")),
            "y_position": Quantity("m", "of the torso", _said("y_position")),
            **{name: quantity for name, quantity in _ROOT.items() if name != "torso_height"},
            "torso_height": Quantity("m", "of the torso", _position(2), privileged=True),
        },
        _ENERGY,
    ),
    "Reacher-v5": KnownTask(
        "Move the fingertip of the two-link arm onto the target and hold it there, with little torque.",
        {
            **_DISTANCE,
            **_term("reward_ctrl", "minus the sum of squared actions"),
            "elbow_angle": Quantity("rad", "0 is a straight arm", _position(1)),
            "shoulder_speed": Quantity("rad/s", "either way", _speed(0), motion=True),
            "elbow_speed": Quantity("rad/s", "either way", _speed(1), motion=True),
        },
        _ENERGY,
    ),
    "Pusher-v5": KnownTask(
        "Push the cylinder to the goal with the tip of the arm, with little torque.",
        {
            **_DISTANCE,
            **_term("reward_near", "minus the distance from tip to cylinder", motion=False),
            **_term("reward_ctrl", "minus the weighted sum of squared actions"),
            "arm_speed": Quantity("rad/s", "of all joints together", _speed(*range(7)), motion=True),
            "object_speed": Quantity("m/s", "of the cylinder", _speed(7, 8), motion=True),
        },
        _ENERGY,
    ),
    "InvertedPendulum-v5": KnownTask(
        "Balance the pole on the cart.",
        {
            **_UP,
            **_CART,
            "pole_angle": Quantity("rad", "0 is upright; beyond 0.2 it has fallen", _position(1), privileged=True),
            "pole_rate": Quantity("rad/s", "how fast the pole turns", _velocity(1), motion=True),
        },
        _ENERGY,
    ),
    "InvertedDoublePendulum-v5": KnownTask(
        "Balance both poles, one on top of the other, on the cart.",
        {
            **_UP,
            "distance_penalty": Quantity(
                "1",
                "reward term: the tip away from upright over the middle",
                _said("distance_penalty"),
                privileged=True,
            ),
            "velocity_penalty": Quantity(
                "1", "reward term: how fast the poles turn", _said("velocity_penalty"), privileged=True, motion=True
            ),
            **_CART,
        },
        _ENERGY,
    ),
}
NEVER_END = frozenset({"HalfCheetah-v5", "Swimmer-v5", "HumanoidStandup-v5", "Reacher-v5", "Pusher-v5"})  # but in time
