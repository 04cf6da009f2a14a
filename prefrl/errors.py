"""Every error a user can cause, as one tree; the command line prints them as a sentence and exits with `exit_code`.

    PrefrlError
    ├── ConfigError          a key, a value or a file of the user's is wrong              exit 2
    ├── PluginError          a plugin the run asked for is absent, broken or misbehaves   exit 2
    │   ├── BrokenPlugin     it failed to load; the message holds the reason
    │   ├── DuplicateName    two distributions offer the same name
    │   └── BadAnswer        a source answered something that no query asked for
    ├── DataError            records on disk are damaged, foreign or too new              exit 1
    │   ├── CorruptStore     stored bytes do not match their hash
    │   └── StaleRewards     a learner was about to sample rewards behind the reward model
    ├── RunError             a run cannot go on (disk full, read-only folder, no pool)    exit 1
    └── EnvironmentMissing   something of the machine is missing (GL, GPU, key, package)  exit 3

A message states where, what, what is allowed, the nearest name and the cure, as far as they apply.
Anything that is not a `PrefrlError` is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BadAnswer", "BrokenPlugin", "ConfigError", "CorruptStore", "DataError", "DuplicateName", "EnvironmentMissing",
    "PluginError", "PrefrlError", "RunError", "StaleRewards", "choices", "sentence", "shown",
]  # fmt: skip


class PrefrlError(Exception):
    """A mistake or a shortage that one sentence explains."""

    exit_code = 1


class ConfigError(PrefrlError):
    """A configuration file, option or argument is wrong."""

    exit_code = 2


class PluginError(PrefrlError):
    """A plugin the run asked for cannot be used."""

    exit_code = 2


class BrokenPlugin(PluginError):
    """A requested plugin failed to load."""


class DuplicateName(PluginError):
    """Two plugins offer the same name of the same kind."""


class BadAnswer(PluginError):
    """A source yielded an answer that violates its contract."""


class DataError(PrefrlError):
    """Stored records cannot be used."""


class CorruptStore(DataError):
    """Stored bytes do not match their content hash."""


class StaleRewards(DataError):
    """Rewards about to be learned from are older than the reward model."""


class RunError(PrefrlError):
    """A run cannot continue."""


class EnvironmentMissing(PrefrlError):
    """The machine lacks something the run needs."""

    exit_code = 3


def sentence(text: str) -> str:
    """With a full stop, unless it ends in a mark of its own."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def shown(text: str) -> str:
    """What a user wrote, fit for one line of a message: nothing unprintable, at most 200 characters."""
    line = text if text.isprintable() else repr(text)[1:-1]
    return line if len(line) <= 200 else f"{line[:197]}..."


def choices(name: str, allowed: Iterable[str]) -> str:
    """Say what is allowed and which of it is nearest to `name`, e.g. ``Allowed: a, b. Did you mean 'a'?``."""
    names = sorted(allowed)
    if not names:
        return "None are available."
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{nearest[0]}'?" if nearest else ""
    return f"Allowed: {', '.join(names)}.{hint}"
