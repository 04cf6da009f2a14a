"""The open questions of a data set in, answers of a configuration's sources stored; nothing is stepped or trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prefrl.errors import ConfigError
from prefrl.plugins import PluginHost
from prefrl.procedures.assembly import Assembly
from prefrl.rollout.vectorised import information
from prefrl.settings import RunSettings
from prefrl.specs import AskContext, named_rng
from prefrl.store import Store
from prefrl.store.exchange import refuse_other_env
from prefrl.timing import Clock

AT_ONCE = 256  # questions held in memory


@dataclass(frozen=True, slots=True)
class Answered:
    """What one call added to a data set."""

    name: str
    asked: int
    answered: int
    skipped: int
    open: int  # what is left for others


def answer(settings: RunSettings, host: PluginHost, store: Store, name: str) -> Answered:
    """Put every open question of the data set `name` to the configured sources, in their order.

    Sources that answer later (people) are refused: they find open questions by themselves.
    """
    data = store.data_set(name)
    env = information(settings.env)
    refuse_other_env(env, data.env, f"Data set '{name}'")
    panel = Assembly(settings, host, env, name, Path(), Clock()).panel(data)
    if not len(panel):
        raise ConfigError("sources: there is nobody to answer; name a source, e.g. `sources: {oracle: {}}`.")
    if panel.deferred:
        raise ConfigError(
            f"sources.{panel.deferred[0]}: answers later, and open questions wait for it in the data set; leave it out here."
        )
    asked, answers = data.open_queries(), []
    for first in range(0, len(asked), AT_ONCE):
        queries = list(data.queries(asked[first : first + AT_ONCE]).values())
        answers += panel.ask(queries, lambda seat: AskContext(0, 0, named_rng(settings.run.seed, "sources", seat.name)))
    skipped = sum(one.answer is None for one in answers)
    return Answered(name, len(asked), len(answers) - skipped, skipped, len(data.open_queries()))
