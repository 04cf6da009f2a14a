"""Teach robots by saying which clip is better.

The way of one preference, in the order of the data; every module of the package stands here once:

    settings        what a run is, as frozen models
    rollout         SB3 steps environments; episodes are recorded, the reward SB3 sees is 0.0
    segments        a pool of (episode, start, H) indices; a clip is copied when it is asked about
    queries         which questions are worth asking, and when
    sources         who answers, seeing only what was declared; recorded answers
    store           the durable data set: items, queries, answers and their revisions
    losses          THE LOSS CORE: scores and labels in, loss and metrics out
    rewards         reward models
    augment         windows of a training batch
    filters         wrong answers: which to trust, to turn round, to vote on
    pseudo          answers that a reward model gives itself
    fit             store + loss -> an update of the reward model
    bonuses         what exploring is worth
    relabel         the only place where learned reward replaces environment reward
    policies        what acts, behind one protocol
    games           answers that go round in circles, and the mixture that nothing beats by much
    learners        what trains a policy: Stable-Baselines3
    pretrain        what happens before the first question
    procedures      the order of these stages; `procedures.online` is read top to bottom
    evaluation      deterministic episodes on an untouched environment
    alignment       how much a fit changed, and how new behaviour is to the reward model, for reports alone
    agreement       how each source's answers agree with the true return, for reports alone
    rendering       segments -> clips, in a process of their own
    report          run folders -> one page and the table
    bench           a suite of runs -> its raw results, tables, plots and report

Without training:

    recordings      files of recorded steps -> episodes
    forms           data sets <-> files of other tools: CSV, Parquet, Label Studio, D4RL, LeRobot
    collection      a policy or recorded episodes -> a data set that people and programs can rank

What the stages share:

    types           the records that travel between them
    soundness       which answers fit which questions
    errors          every mistake of a user's, as one tree
    options         the base of all options models
    runs            the run folder
    checkpoints     a run's whole state -> a file, and the newest whole one back
    executors       independent calls -> processes of this machine, or nodes of a cluster
    progress        what is shown while a run runs
    timing          seconds by phase
    statistics      what may be said of several seeds
    mujoco_log      MuJoCo's warnings
    devices         CPU or GPU

The host:

    specs           what plugins hand in, the protocols they build, the contexts they get
    hookspecs       the hooks
    doors           where plugins come from
    plugins         `PluginHost`: load, isolate, look up, tell
    probe           one plugin's import, in a process of its own
    builtin         what every run needs, through the same door
    tree            YAML files -> one tree that knows its lines
    config          the tree -> settings, and back
    schema          JSON schema of a configuration
    zoo             rl-zoo3's string forms
    cli             the `prefrl` command
    verbs           the verbs that plugins add to it
    data_commands   its verbs about data sets
    loss_commands   its verbs about losses
    plugin_commands  its verbs about plugins
    scaffold        a name and a kind -> a new plugin's distribution
    sandbox         programs that nobody has read, run without reach to files, network or processes
    doctor          what this machine has and lacks
    testing         for authors of plugins: the contract as checks
    _pytest_plugin  fixtures for their tests

Public names below are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefrl.errors import PrefrlError
    from prefrl.options import NoOptions, Options
    from prefrl.plugins import PluginHost
    from prefrl.settings import RunSettings
    from prefrl.specs import hookimpl, lazy
    from prefrl.types import (
        Binary,
        Candidate,
        Choice,
        Episode,
        Evaluation,
        Grades,
        Preference,
        Query,
        Segment,
        Text,
        Tiers,
        Triplet,
    )

_HOME = {
    "PrefrlError": "errors", "NoOptions": "options", "Options": "options", "PluginHost": "plugins", "RunSettings": "settings",
    "hookimpl": "specs", "lazy": "specs", "Binary": "types", "Candidate": "types", "Choice": "types", "Episode": "types",
    "Evaluation": "types", "Grades": "types", "Preference": "types", "Query": "types", "Segment": "types", "Text": "types",
    "Tiers": "types", "Triplet": "types",
}  # fmt: skip

__all__ = [
    "Binary", "Candidate", "Choice", "Episode", "Evaluation", "Grades", "NoOptions", "Options", "PluginHost", "Preference",
    "PrefrlError", "Query", "RunSettings", "Segment", "Text", "Tiers", "Triplet", "hookimpl", "lazy",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'prefrl' has no attribute {name!r}")
    return getattr(import_module(f"prefrl.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
