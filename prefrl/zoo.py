"""rl-zoo3's string forms in, plain values out: ``lin_7.3e-4`` schedules and ``dict(...)`` policy arguments, never evaluated.

Option models of learners use the annotated types `Schedule` and `PolicyKwargs`; `schedule_of` and `ACTIVATIONS` say what
the learner makes of them. No torch here: an activation stays its name until the learner builds the network.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from prefrl.errors import choices, shown
from prefrl.options import MAX_BITS

ACTIVATIONS = ("ELU", "LeakyReLU", "ReLU", "SiLU", "Tanh")  # of torch.nn; written nn.ReLU or ReLU


def literal(text: str) -> Any:
    """Value of a Python literal, ``dict(key=value)`` or ``nn.<activation>``; ValueError says what else stands there."""
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        example = "dict(net_arch=[64, 64], activation_fn=nn.ReLU)"
        raise ValueError(f"'{shown(text)}' is not a value such as \"{example}\"") from error


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value) if _ordinary(value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if _ordinary(value):
            return -value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values) if all(key is not None for key in keys):
            return {
                _key(_value(key)): _value(value) for key, value in zip(keys, values, strict=True) if key is not None
            }
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords) if all(item.arg for item in keywords):
            return {str(item.arg): _value(item.value) for item in keywords}
        case ast.Attribute(value=ast.Name(id="nn"), attr=name):
            return activation(f"nn.{name}")
    raise ValueError(f"'{_source(node)}' is neither a plain value nor a known activation; nothing here is evaluated")


def _source(node: ast.expr) -> str:
    try:
        return shown(ast.unparse(node))
    except ValueError:  # Python does not print such numbers
        return "a whole number of thousands of digits"


def _ordinary(value: Any) -> bool:
    """Whether it is plain and YAML can hold it."""
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return value is None or isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= MAX_BITS)


def _key(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"key {value!r} is not text")
    return value


def activation(name: str) -> str:
    """``nn.Tanh`` or ``Tanh`` as ``Tanh``; ValueError lists the activations there are."""
    bare = name.removeprefix("nn.")
    if bare not in ACTIVATIONS:
        raise ValueError(f"no activation named {name!r}. {choices(bare, ACTIVATIONS)}")
    return bare


def policy_kwargs(value: Any) -> Any:
    """A mapping, or rl-zoo3's string form of one, with `activation_fn` as a name of `ACTIVATIONS`."""
    parsed = literal(value) if isinstance(value, str) else value
    if isinstance(parsed, Mapping) and isinstance(parsed.get("activation_fn"), str):
        return {**parsed, "activation_fn": activation(parsed["activation_fn"])}
    return parsed


def schedule(value: Any) -> Any:
    """A number, or ``lin_<number>`` as it is; ValueError for other text and for numbers below 0, infinite or none."""
    if not isinstance(value, int | float | str):
        return value
    try:
        initial = float(value.removeprefix("lin_")) if isinstance(value, str) else float(value)
    except ValueError:
        raise ValueError(
            f"'{shown(str(value))}' is neither a number nor a linear schedule such as 'lin_7.3e-4'"
        ) from None
    if not 0 <= initial < math.inf:
        raise ValueError(f"{value!r} is not a finite number from 0 on, nor a linear schedule of one")
    return value if isinstance(value, str) and value.startswith("lin_") else initial


def schedule_of(value: float | str) -> float | Callable[[float], float]:
    """What SB3 takes: the number itself, or a function of the remaining progress (1 at the start, 0 at the end)."""
    if not isinstance(value, str):
        return value
    initial = float(value.removeprefix("lin_"))
    return lambda remaining: remaining * initial


Schedule = Annotated[float | str, BeforeValidator(schedule)]
PolicyKwargs = Annotated[dict[str, Any], BeforeValidator(policy_kwargs)]
