"""A task in, the text that a language model gets to know of it out: nothing in it stems from the reward.

It is made of what is documented (`EnvInfo`): the task in words, the entries of observations and actions, factors. Code of
the task is cut down to the statements that the next observation depends on; if a word of reward is left, none of it is
shown.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from prefrl.types import EnvInfo

_REWARD = re.compile(r"rew|cost|bonus|penal|score|success|healthy|terminat|charge|measure", re.IGNORECASE)


def described(env: EnvInfo, task: str | None, *, privileged: bool, code: str) -> str:
    """Markdown."""
    parts = [f"## The task\n\n{(task or env.task or f'The task is {env.id}.').strip()}"]
    timing = [f"one step takes {env.dt:g} s"] if env.dt else []
    timing += [f"an episode lasts {env.max_episode_steps} steps"] if env.max_episode_steps else []
    parts.append(f"{'; '.join(timing).capitalize()}." if timing else "")
    parts.append(
        f"## Observations\n\n`obs` and `next_obs` have shape (B, {', '.join(map(str, env.obs_shape))}).\n{_entries(env)}"
    )
    parts.append(f"## Actions\n\n{_actions(env)}")
    parts.append(f"## Factors\n\n{_factors(env, privileged)}")
    if code:
        parts.append(
            f"## Code of the simulation\n\nWhat becomes of an action, and how observations are made:\n\n```python\n{code}\n```"
        )
    return "\n\n".join(part for part in parts if part)


def _entries(env: EnvInfo) -> str:
    if not env.observations:
        return "What their entries mean is not documented."
    return "\n".join(f"- `[:, {i}]` {name}" for i, name in enumerate(env.observations))


def _actions(env: EnvInfo) -> str:
    if env.discrete_actions is not None:
        return f"`action` has shape (B,): whole numbers from 0 to {env.discrete_actions - 1}."
    return f"`action` has shape (B, {', '.join(map(str, env.action_shape))}), as executed."


def _factors(env: EnvInfo, privileged: bool) -> str:
    shown = [env.factors[name] for name in allowed_factors(env, privileged=privileged)]
    if not shown:
        return "`factors` is empty."
    lines = [f'- `factors["{f.name}"]` {f"[{f.unit}] " if f.unit else ""}{f.summary}'.rstrip() for f in shown]
    return "`factors` holds arrays of shape (B,), measured at the step:\n" + "\n".join(lines)


def allowed_factors(env: EnvInfo, *, privileged: bool) -> list[str]:
    """Names of the factors that a program may use."""
    return [name for name, factor in env.factors.items() if privileged or not factor.privileged]


# --- code ------------------------------------------------------------------------------------------------------------


def step_code(env: Any, info: EnvInfo) -> str:
    """How the observation after a step comes about, or nothing where that cannot be told apart from the reward."""
    owner = type(env.unwrapped)
    methods = [_sliced(owner, "step"), _plain(owner, "_get_obs"), _plain(owner, "_observation")]
    text = "\n\n".join(filter(None, methods))
    hidden = [*info.costs, *(name for name, factor in info.factors.items() if factor.privileged)]
    return "" if _tells(text, hidden) else text


def _tells(text: str, hidden: Iterable[str]) -> bool:
    return bool(_REWARD.search(text)) or any(re.search(rf"\b{re.escape(name)}\b", text) for name in hidden)


def _definition(owner: type, name: str) -> ast.FunctionDef | None:
    """Of a method that the task itself defines, without comments and docstring."""
    method = getattr(owner, name, None)
    if method is None or getattr(method, "__module__", "").startswith("gymnasium.core"):
        return None
    try:
        node = ast.parse(textwrap.dedent(inspect.getsource(method))).body[0]
    except (OSError, TypeError, SyntaxError):
        return None
    if not isinstance(node, ast.FunctionDef):
        return None
    if ast.get_docstring(node) is not None:
        node.body = node.body[1:]
    node.returns, node.decorator_list = None, []
    for argument in node.args.args:
        argument.annotation = None
    return node


def _plain(owner: type, name: str) -> str:
    node = _definition(owner, name)
    return ast.unparse(node) if node is not None and node.body else ""


def _sliced(owner: type, name: str) -> str:
    """The method without all that only its other results depend on."""
    node = _definition(owner, name)
    if node is None:
        return ""
    returned = node.body[-1] if node.body else None
    if not (isinstance(returned, ast.Return) and isinstance(returned.value, ast.Tuple) and returned.value.elts):
        return ""
    observation = returned.value.elts[0]
    node.body = [*_needed(node.body[:-1], _names(observation)), ast.Return(observation)]
    return ast.unparse(ast.fix_missing_locations(node))


def _needed(body: Sequence[ast.stmt], wanted: set[str]) -> list[ast.stmt]:
    """Statements that give `wanted` names their values, or change the simulation, from the last to the first."""
    kept: list[ast.stmt] = []
    for statement in reversed(body):
        if _REWARD.search(ast.unparse(statement)):
            continue
        gives = {
            node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        changes = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and not _draws(statement)
        changes |= isinstance(statement, ast.Assign) and not gives  # of an attribute or of part of an array
        if changes or gives & wanted:
            wanted = wanted | _names(statement)
            kept.insert(0, statement)
    return kept


def _draws(statement: ast.stmt) -> bool:
    return "render" in ast.unparse(statement)


def _names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
