"""A ranking as configured and what is known of a task in, signed factor values of clips and steps out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prefrl.errors import ConfigError, PluginError, choices
from prefrl.types import Array, Candidate, EnvInfo, Item, Segment
from prefrl_heron.options import RankingOptions

Floats = NDArray[np.float64]
ROUNDING = 1e-9  # a spread this small against the values themselves is rounding, not behaviour


@dataclass(frozen=True, slots=True)
class Ranking:
    """F factors on L levels: `levels[l]` are the columns of level l, `signs` (F,) are +1 for more, -1 for less is better."""

    names: tuple[str, ...]
    signs: Floats
    levels: tuple[tuple[int, ...], ...]

    def title(self, level: int) -> str:
        """How people read a level."""
        return " + ".join(self.names[column] for column in self.levels[level])

    def read(self, channels: Mapping[str, Array]) -> Floats:
        """(T, F) signed values of T steps: more is better in every column."""
        return np.stack([np.asarray(channels[name], np.float64) for name in self.names], axis=1) * self.signs

    def summed(self, values: Floats, spread: Floats) -> Floats:
        """(N, L) level values of N rows (N, F): factors over their spread (F,), summed; constant ones say nothing."""
        standard = np.divide(values, spread, out=np.zeros_like(values), where=spread > 0)
        return np.stack([standard[:, list(columns)].sum(1) for columns in self.levels], axis=1)


def ranked(options: RankingOptions, env: EnvInfo, where: str) -> Ranking:
    """The ranking of `options` for `env`; ConfigError where a factor is unknown, or privileged without leave."""
    named = [(name, direction) for level in options.ranking for name, direction in level.items()]
    for name, _ in named:
        if name not in env.factors:
            raise ConfigError(f"{where}: {env.id} has no factor '{name}'. {choices(name, env.factors)}")
    hidden = [name for name, _ in named if env.factors[name].privileged]
    if hidden and not options.privileged:
        raise ConfigError(
            f"{where}: {_listed(hidden)} gives the designed reward of {env.id} away, which a robot does not have; set "
            f"privileged: true, and reports will say so, or rank others: {_listed(_open(env)) or 'there are none'}."
        )
    if options.privileged and not hidden:
        raise ConfigError(f"{where}: privileged is set, but no ranked factor of {env.id} is privileged; leave it out.")
    columns = iter(range(len(named)))
    return Ranking(
        tuple(name for name, _ in named),
        np.array([1.0 if direction == "more" else -1.0 for _, direction in named]),
        tuple(tuple(next(columns) for _ in level) for level in options.ranking),
    )


def _open(env: EnvInfo) -> list[str]:
    return [name for name, factor in env.factors.items() if not factor.privileged]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def clip_of(item: Item) -> Segment:
    """The clip by which an item is judged."""
    clip = item.clip if isinstance(item, Candidate) else item
    if not isinstance(clip, Segment):
        raise PluginError(
            f"HERON judges robot clips by their factors; item {item.id[:12]} is a {item.kind} without any."
        )
    return clip


def spread_of(values: Floats, names: Sequence[str], where: str, rows: str) -> Floats:
    """(F,) standard deviation of each column of (N, F) `rows`; 0 for what does not vary. PluginError names what is NaN."""
    for column, name in enumerate(names):
        bad = int((~np.isfinite(values[:, column])).sum())
        if bad:
            raise PluginError(
                f"{where}: factor '{name}' is NaN or infinite in {bad} of {len(values)} {rows}, so nothing can be "
                f"compared by it; take it out of the ranking or mend it where the task measures it."
            )
    spread = values.std(axis=0)
    constant = spread <= ROUNDING * np.abs(values).max(axis=0)
    if constant.all():
        raise PluginError(
            f"{where}: no ranked factor ({', '.join(names)}) varies over {len(values)} {rows}, so nothing can "
            f"be decided; rank factors that behaviour changes."
        )
    return np.where(constant, 0.0, spread)
