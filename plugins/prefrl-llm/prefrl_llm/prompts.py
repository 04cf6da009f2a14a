"""Recorded observations in, what a language model reads of them out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from prefrl.errors import ConfigError
from prefrl.types import Array
from prefrl_llm.options import LearnerOptions, Named, Number

EXAMPLES = 2_000  # texts that a tokenizer is made of, at most


class Prompts:
    """One text per observation, by the template of `algo.prompt`."""

    def __init__(self, options: LearnerOptions, size: int, names: Sequence[str]) -> None:
        self._template, self._describe = options.prompt, options.describe
        if self._template is None:
            titles = names or [f"x{entry}" for entry in range(size)]
            self._template = ", ".join(f"{_literal(title)} {{e{entry}}}" for entry, title in enumerate(titles))
            self._describe = {f"e{entry}": Number(entry=entry) for entry in range(size)}
        for name, how in self._describe.items():
            if how.entry >= size:
                raise ConfigError(
                    f"algo.describe.{name}: there is no entry {how.entry}; observations have {size}, 0 to {size - 1}."
                )

    def of(self, obs: Array) -> list[str]:
        """Of (N, ...) raw observations."""
        flat = np.asarray(obs, np.float64).reshape(len(obs), -1)
        columns = [_words(flat[:, how.entry], how) for how in self._describe.values()]
        assert self._template is not None
        rows: list[Sequence[str]] = list(zip(*columns, strict=True)) if columns else [()] * len(flat)
        return [self._template.format(**dict(zip(self._describe, row, strict=True))) for row in rows]

    def examples(self) -> list[str]:
        """Texts in which every word occurs, for making a tokenizer."""
        assert self._template is not None
        choices = [how.words if isinstance(how, Named) else ("+0.1", "-2.3") for how in self._describe.values()]
        most = max(map(len, choices), default=1)
        rows = [[words[i % len(words)] for words in choices] for i in range(most)]
        rows += [list(row) for row in itertools.islice(itertools.product(*choices), EXAMPLES)]
        return [self._template.format(**dict(zip(self._describe, row, strict=True))) for row in rows]


def _words(values: Array, how: Number | Named) -> list[str]:
    if isinstance(how, Number):
        rounded = np.round(values, how.decimals) + 0.0  # no -0.0
        return [f"{value:+.{how.decimals}f}" for value in rounded]
    return [how.words[place] for place in np.searchsorted(how.edges, values, side="right")]


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
