"""Data sets are found by name, belong to one environment, and people are known by tokens."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from prefrl.errors import DataError
from prefrl.store import Store
from prefrl.types import EnvInfo, Preference, Query, Text, Tiers


def test_a_data_set_is_made_once_and_remembers_its_environment(store: Store, env: EnvInfo) -> None:
    assert store.data_set("toy", env).env == env
    assert store.data_set("toy").env == env
    assert store.data_set("toy", replace(env, task="other words")).env == env


def test_another_environment_is_refused(store: Store, env: EnvInfo) -> None:
    store.data_set("toy", env)
    for other in (replace(env, id="Other-v0"), replace(env, obs_shape=(4,)), replace(env, discrete_actions=2)):
        with pytest.raises(DataError, match="Data set 'toy' is about another environment"):
            store.data_set("toy", other)


def test_an_unknown_data_set_lists_the_known_ones(store: Store, env: EnvInfo) -> None:
    store.data_set("cheetah", env)
    with pytest.raises(DataError, match=r"no data set 'cheetha'. Allowed: cheetah. Did you mean 'cheetah'\?"):
        store.data_set("cheetha")


def test_summaries_count(store: Store, env: EnvInfo) -> None:
    data = store.data_set("b", env)
    store.data_set("a", env)
    query = Query.of("run", 0, [Text("?", "yes"), Text("?", "no")])
    data.add_queries([query])
    data.add(Preference.of(query, Tiers(((0,), (1,))), source="oracle"))
    assert [(one.name, one.env_id, one.queries, one.preferences) for one in store.data_sets()] == [
        ("a", "Toy-v0", 0, 0),
        ("b", "Toy-v0", 1, 1),
    ]


def test_annotators_are_known_by_token_until_revoked(store: Store, tmp_path: Path) -> None:
    token = store.add_annotator("ann")
    assert store.annotator(token) == "ann"
    assert store.annotator(token + "x") is None
    assert all(token.encode() not in path.read_bytes() for path in tmp_path.glob("prefrl.sqlite*"))
    with pytest.raises(DataError, match="an annotator 'ann' already"):
        store.add_annotator("ann")
    store.revoke("ann")
    assert store.annotator(token) is None
    with pytest.raises(DataError, match="no annotator 'bob'"):
        store.revoke("bob")


def test_importing_the_store_loads_no_database() -> None:
    code = "import sys, prefrl.store, prefrl.sources.options; assert not {'sqlalchemy', 'alembic', 'torch'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
