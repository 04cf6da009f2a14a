"""What is known in, messages for a language model out; and what of its reply is the program."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prefrl.sandbox import ProgramFault

Message = Mapping[str, str]
CHECKPOINTS = 10
SIGNATURE = "def reward(obs, action, next_obs, factors):"

SYSTEM = f"""You write reward functions for reinforcement learning of robots. A policy will be trained on your function alone, from
random behaviour. You write one Python function on batches of B steps, with NumPy (as np):

    {SIGNATURE}
        ...
        return total, components

- `obs` are the observations before the steps, `next_obs` those after them, `action` the actions between; `factors` is a dict.
- `total` is an array of shape (B,): the reward of each step. `components` is a dict of named arrays of shape (B,): the parts that
  `total` is made of. At most 16, named by identifiers.
- The reward of a row depends on that row alone: no means over the batch, nothing remembered between calls.
- Every value must be finite, and within a million either way.
- Only NumPy and plain Python: assignments, if, for, functions, comprehensions. No classes, try, with, while, files, other imports,
  random numbers or attributes that begin with an underscore. Inputs cannot be written to.

What helps: give the components similar scales. Transform what has a wide range, e.g. by np.exp(-x / temperature) with a temperature of
its own for each component. Reward progress everywhere, not only at the goal: a policy that never reaches it learns nothing from it.

Reply with the whole function in one ```python block."""  # noqa: E501 - lines as they are sent


@dataclass(frozen=True, slots=True)
class Outcome:
    """A program and what came of it. `traces` are values of each component at checkpoints of its training."""

    name: str
    text: str
    traces: Mapping[str, Sequence[float]]
    score: float | None = None  # only where the true score may be shown


def first(environment: str) -> list[Message]:
    """What a round begins with while nothing is known yet."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": environment}]


def later(
    environment: str, best: Sequence[Outcome], worst: Outcome | None, *, traces: bool, differences: bool
) -> list[Message]:
    """With what came of earlier rounds; `best` are the best programs of all rounds so far, the oldest first."""
    parts = [
        environment,
        "# What came of earlier programs\n\nPolicies were trained on them, and somebody compared what the policies do.",
    ]
    parts.append(_shown("The best program so far", best[-1], traces))
    if worst is not None:
        parts.append(_shown("The worst program of the last round", worst, traces))
    if differences:
        parts += _changes(best)
    if traces:
        parts += [f"## Components of the best program of round {number}\n\n{trace_text(one.traces)}"
                  for number, one in enumerate(best[:-1], start=1) if one.text != best[-1].text]  # fmt: skip
    parts.append(_ADVICE)
    return first("\n\n".join(parts))


_ADVICE = """# What to do now

Write a better function. Look at the components: one that hardly changes during training is not being learned, so rescale, rewrite or
drop it; one much larger than the others drowns them; keep what the best program has and the worst has not."""  # noqa: E501 - as above


def again(messages: Sequence[Message], reply: str, fault: str) -> list[Message]:
    """After a reply that could not be used."""
    complaint = (
        f"This program cannot be used: {fault}\n\nWrite the whole function again, mended, in one ```python block."
    )
    return [*messages, {"role": "assistant", "content": reply}, {"role": "user", "content": complaint}]


def _shown(title: str, outcome: Outcome, traces: bool) -> str:
    text = f"## {title}\n\n```python\n{outcome.text.strip()}\n```"
    if outcome.score is not None:
        text += f"\n\nTask score of its policy: {outcome.score:.4g}"
    return f"{text}\n\nIts components during training:\n\n{trace_text(outcome.traces)}" if traces else text


def trace_text(traces: Mapping[str, Sequence[float]]) -> str:
    """Of each component its mean per step at evenly spaced checkpoints, and the extremes."""
    lines = []
    for name, values in traces.items():
        if values:
            shown = ", ".join(f"{value:.3g}" for value in _spread(values))
            mean = sum(values) / len(values)
            lines.append(f"- {name}: [{shown}], max {max(values):.3g}, mean {mean:.3g}, min {min(values):.3g}")
    return "\n".join(lines) or "- nothing was recorded"


def _spread(values: Sequence[float]) -> list[float]:
    """CHECKPOINTS of them, from the first to the last; all if there are fewer."""
    if len(values) <= CHECKPOINTS:
        return list(values)
    return [values[round(i * (len(values) - 1) / (CHECKPOINTS - 1))] for i in range(CHECKPOINTS)]


def _changes(best: Sequence[Outcome]) -> list[str]:
    """Line by line, from the best program of one round to that of the next."""
    parts = []
    for number, (old, new) in enumerate(itertools.pairwise(best), start=1):
        lines = difflib.unified_diff(
            old.text.strip().splitlines(), new.text.strip().splitlines(),
            f"best of round {number}", f"best of round {number + 1}", lineterm="", n=1,
        )  # fmt: skip
        changed = "\n".join(lines)
        if changed:
            parts.append(
                f"## What changed from the best of round {number} to that of round {number + 1}\n\n```diff\n{changed}\n```"
            )
    return parts


def program_of(reply: str) -> str:
    """The last fenced block that defines the function, else the whole reply; `ProgramFault` if there is no function."""
    blocks: list[str] = re.findall(r"^```[^\n]*\n(.*?)^```", f"{reply}\n", flags=re.MULTILINE | re.DOTALL)
    found = [block for block in blocks if "def reward" in block]
    text = found[-1] if found else reply
    if "def reward" not in text:
        raise ProgramFault("refused", f"there is no `{SIGNATURE}` in the reply.")
    return text.strip() + "\n"
