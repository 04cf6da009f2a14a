from __future__ import annotations

import pytest
from pydantic import ValidationError

from prefrl.options import Options
from prefrl.zoo import PolicyKwargs, Schedule, literal, schedule_of


class Learner(Options):
    learning_rate: Schedule = 3e-4
    policy_kwargs: PolicyKwargs = {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("dict(net_arch=[256, 256], activation_fn=nn.ReLU)", {"net_arch": [256, 256], "activation_fn": "ReLU"}),
        ("dict(net_arch=dict(pi=[64], vf=[64]), log_std_init=-2, ortho_init=False)", {"net_arch": {"pi": [64], "vf": [64]}, "log_std_init": -2, "ortho_init": False}),
        ("{'a': None, 'b': (1, 2.5e-3), 'c': 'x'}", {"a": None, "b": [1, 2.5e-3], "c": "x"}),
        (" dict( log_std_init=-2,\n net_arch=[] )\n", {"log_std_init": -2, "net_arch": []}),
    ],
)  # fmt: skip
def test_zoo_strings_are_read_without_being_evaluated(text: str, value: object) -> None:
    assert literal(text) == value


@pytest.mark.parametrize(
    "text",
    ["__import__('os').system('ls')", "dict(a=open('x'))", "nn.Linear", "os.environ", "[x for x in ()]", "dict(**{})", "dict([1])", "{**{}}",
     "~" * 900 + "1", "0x" + "f" * 5000, "-0x" + "f" * 5000, "'\\ud800'",
     "lambda: 1", "f'{1}'", "1 + 1", "-'a'", "b'x'", "...", "1j", "{1: 2}", "", "dict(", "(" * 5000, "nn.ReLU()", "x"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"evaluated|not a value|not text|no activation"):
        literal(text)


def test_options_take_mappings_strings_and_schedules() -> None:
    assert Learner(policy_kwargs="dict(net_arch=[8])").policy_kwargs == {"net_arch": [8]}  # type: ignore[arg-type]
    assert Learner(policy_kwargs={"activation_fn": "nn.Tanh"}).policy_kwargs == {"activation_fn": "Tanh"}
    assert Learner(learning_rate="3e-4").learning_rate == 3e-4
    assert Learner(learning_rate="lin_7.3e-4").learning_rate == "lin_7.3e-4"
    for wrong in ({"activation_fn": "ReLu"}, 3, "[1]"):
        with pytest.raises(ValidationError):
            Learner(policy_kwargs=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="linear schedule"):
        Learner(learning_rate="lin_fast")
    for endless in ("lin_nan", "lin_-1", "inf", -1, float("nan")):
        with pytest.raises(ValidationError, match="not a finite number from 0 on"):
            Learner(learning_rate=endless)
    with pytest.raises(ValidationError, match="Did you mean 'ReLU'"):
        Learner(policy_kwargs={"activation_fn": "nn.Relu"})


def test_a_linear_schedule_falls_to_zero_with_the_remaining_progress() -> None:
    falling = schedule_of("lin_8e-4")
    assert callable(falling)
    assert [falling(left) for left in (1.0, 0.5, 0.0)] == [8e-4, 4e-4, 0.0]
    assert schedule_of(0.1) == 0.1
