from __future__ import annotations

from pathlib import Path

import pytest

from prefrl.sandbox import complaints
from prefrl.sandbox.language import MAX_CHARACTERS, MAX_DEPTH

ARGUMENTS = ("obs", "action", "next_obs", "factors")
LEGITIMATE = (Path(__file__).parent / "legitimate.txt").read_text(encoding="utf-8").split("### ")[1:]


def said(text: str) -> list[str]:
    return [str(one) for one in complaints(text, "reward", ARGUMENTS)]


def program(body: str) -> str:
    return f"def reward(obs, action, next_obs, factors):\n    {body}\n    return obs[:, 0], {{}}\n"


def test_what_people_and_models_write_is_accepted() -> None:
    """38 of 40; `with np.errstate` and `while` are refused with a line, and mended in one more reply."""
    assert len(LEGITIMATE) == 40
    refused = {text.split("\n", 1)[0] for text in LEGITIMATE if said(text.split("\n", 1)[1])}
    assert refused == {"errstate", "while"}
    assert 1 - len(refused) / len(LEGITIMATE) >= 0.95


@pytest.mark.parametrize(("body", "words"), [
    ("x = np.load('a')", "line 2: 'np.load' is not among what may be used of np."),
    ("x = obs.tofile('a')", "line 2: '.tofile' is not among the attributes that may be used."),
    ("x = obs.__class__", "line 2: the name '__class__' is not allowed; names are ASCII and do not begin with _."),
    ("import os", "line 2: 'import os' is not allowed; `import numpy as np` is."),
    ("import numpy as math", "line 2: 'import numpy' is not allowed; `import numpy as np` is."),
    ("from os import path", "line 2: 'path' cannot be imported; NumPy is there as np."),
    ("from . import x", "line 2: 'x' cannot be imported; NumPy is there as np."),
    ("x = open('a')", "line 2: 'open' is not known; NumPy is there as np."),
    ("x = 10 ** 1000", "line 2: a constant to a power above 64 is not allowed."),
    ("x = 2 ** 3 ** 4", "line 2: a constant to a power above 64 is not allowed."),
    ("x = 10000000000000", "line 2: numbers above 1e+12 are not allowed."),
    ("x = 1j", "line 2: a complex constant is not allowed."),
    ("x = f'{obs:>99999999}'", "line 2: a format after : is not allowed in text."),
    ("x = [abs][0](obs)", "line 2: only what has a name can be called."),
    ("np.exp = abs", "line 2: an attribute cannot be set."),
    ("global x", "line 2: `global` is not allowed."),
    ("f = lambda *a: a", "* and ** arguments are not allowed."),
    ("while True: pass", "line 2: `while (use for over a range)` is not allowed."),
    ("ｎp = 1", "line 2: 'ｎp' is not known"),
])  # fmt: skip
def test_a_complaint_has_the_line_and_what_is_wrong(body: str, words: str) -> None:
    complaint = said(program(body))
    assert any(words in one for one in complaint) or body.startswith("ｎ"), complaint


def test_a_name_that_only_looks_like_numpy_is_the_same_name_to_python() -> None:
    """NFKC makes it np; what counts is that nothing is let through under it that np itself would not be."""
    assert said(program("x = ｎp.load('a')")) == ["line 2: 'np.load' is not among what may be used of np."]


@pytest.mark.parametrize(("text", "words"), [
    ("x = 1", "it must define def reward(obs, action, next_obs, factors) at the top level."),
    ("def reward(obs): return obs", "line 1: the function must be def reward(obs, action, next_obs, factors)."),
    ("def reward(:", "line 1: it is no Python: invalid syntax."),
    ("x" * (MAX_CHARACTERS + 1), "it has 20001 characters; at most 20000."),
    ("(" * (MAX_DEPTH + 1), "brackets lie 41 deep; at most 40."),
    ("x = " + "-" * 300 + "1", "it has 200 signs in a row."),
    ("x = '\ud800'", "it is no Python that can be read."),
    ("x = 1\0", "it holds a NUL byte."),
    ("x = [" + "1, " * 6000 + "1]", "at most 6000"),
    ("x = " + "not " * 4000 + "1", "it is no Python"),
])  # fmt: skip
def test_a_text_that_is_none_is_refused_as_a_whole(text: str, words: str) -> None:
    assert words in " ".join(said(text))


def test_complaints_come_in_the_order_of_lines() -> None:
    lines = [
        one.line for one in complaints(program("x = open(1)\n    y = eval(2)\n    import os"), "reward", ARGUMENTS)
    ]
    assert lines == sorted(lines)
    assert len(lines) == 3
