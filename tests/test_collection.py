"""Clips are collected without training, answered by whoever reads the store, and any run learns from them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from prefrl import config, tree
from prefrl.collection import collect, described
from prefrl.errors import ConfigError, DataError
from prefrl.plugins import PluginHost
from prefrl.procedures import train
from prefrl.settings import RunSettings
from prefrl.specs import AskContext, BuildContext
from prefrl.store import Store, open_store
from prefrl.types import Preference, Segment, Tiers

CONFIG = """
env: {id: Pendulum-v1, n_envs: 2}
algo: {name: ppo, n_timesteps: 256, n_steps: 64, batch_size: 64, n_epochs: 1}
pretrain: {name: random, steps: 64}
feedback: {total: 16, rounds: 2, segment: 10}
reward: {members: 2, hidden: [8], fit: {epochs: 5}}
evaluate: {every: 256, episodes: 1, final_episodes: 1}
"""


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost.from_environment(environ={})


def settings_of(host: PluginHost, *more: str) -> RunSettings:
    node = tree.parse(CONFIG, "run.yaml")
    for text in more:
        node = tree.merge(node, tree.parse(text, "more.yaml"))
    return config.resolve(node, host)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with open_store(None, tmp_path) as opened:
        yield opened  # type: ignore[misc]


def gathered(settings: RunSettings, store: Store, name: str = "clips", **more: object):  # type: ignore[no-untyped-def]
    terms = {"policy": "random", "recorded": None, "episodes": 3, "queries": 8, "seed": 0, **more}
    return collect(settings, store, name, **terms)  # type: ignore[arg-type]


def test_collected_clips_answered_by_a_script_teach_a_run_without_sources(host: PluginHost, tmp_path: Path) -> None:
    settings = settings_of(host)
    with open_store(None, tmp_path / "runs") as store:
        result = gathered(settings, store, queries=16)
        assert (result.episodes, result.steps, result.queries, result.open) == (3, 600, 16, 16)

        data = store.data_set("clips")  # from here on what anybody may write
        spec = host.spec("sources", "oracle")
        oracle = spec.build(spec.options(), BuildContext("clips", "script", 0, data.env))
        questions = list(data.queries(data.open_queries()).values())
        for answer in oracle.label(questions, AskContext(0, 0, np.random.default_rng(0))):
            data.add(answer)
        assert described(store, "clips")["answers"] == {"script": {"answered": 16}}
        assert data.open_queries() == []

    learner = settings_of(host, "store: {data_set: clips}", "run: {name: learner}")
    folder = train(learner, host, tmp_path / "runs" / "learner", "prefrl train run.yaml")
    fits = [json.loads(line) for line in (folder / "fits.jsonl").read_text().splitlines()]
    assert [fit["preferences"] for fit in fits] == [16]
    assert (folder / "model.zip").exists()


def test_questions_are_about_clips_of_what_was_collected(host: PluginHost, store: Store) -> None:
    gathered(settings_of(host, "feedback: {items: 3}"), store)
    data = store.data_set("clips")
    asked = data.queries(data.open_queries())
    assert len(asked) == 8
    for query in asked.values():
        assert (query.kind, len(query.items), query.why) == ("ranking", 3, "uniform")
        for item in query.items:
            assert isinstance(item, Segment)
            assert (len(item), item.env_id) == (10, "Pendulum-v1")
            assert item.true_reward is not None
            assert item.episode in {"random/0/0", "random/0/1", "random/0/2"}
    assert all(len({item.id for item in query.items}) == 3 for query in asked.values())
    assert len({item.id for query in asked.values() for item in query.items}) > 12


def test_the_same_again_adds_nothing_and_another_seed_adds_more(host: PluginHost, store: Store) -> None:
    settings = settings_of(host)
    gathered(settings, store)
    again, more = gathered(settings, store), gathered(settings, store, seed=1)
    assert (again.queries, again.open) == (0, 8)
    assert (more.queries, more.open) == (8, 16)


def test_few_episodes_make_few_questions_of_which_none_repeats(host: PluginHost, store: Store) -> None:
    result = gathered(settings_of(host, "feedback: {segment: 199}"), store, episodes=1)
    assert result.queries == 1


def test_another_environment_is_refused(host: PluginHost, store: Store) -> None:
    gathered(settings_of(host), store)
    with pytest.raises(DataError, match="clips"):
        gathered(settings_of(host, "env: {id: CartPole-v1}"), store)


def test_recorded_episodes_are_taken_as_they_are(host: PluginHost, store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for i in range(4):
        rows = {"obs": np.full((21, 3), i / 10, np.float32) + np.arange(21)[:, None] / 100, "action": np.zeros((20, 1))}
        np.savez(tmp_path / "mine" / f"{i}.npz", **rows)
    result = gathered(settings_of(host), store, recorded=str(tmp_path / "mine"), episodes=3)
    assert (result.episodes, result.steps) == (3, 60)
    data = store.data_set("clips")
    items = [item for query in data.queries(data.open_queries()).values() for item in query.items]
    assert {item.episode for item in items if isinstance(item, Segment)} <= {"mine/0", "mine/1", "mine/2"}
    assert described(store, "clips")["example"]["true_reward"] is False


def test_a_run_or_its_zip_can_act_and_what_does_not_fit_is_said(host: PluginHost, store: Store, tmp_path: Path) -> None:
    learned = "reward: {members: 2, hidden: [8], fit: {epochs: 5}}"
    bare = config.resolve(tree.parse(CONFIG.replace(learned, "reward: {model: true_reward}"), "run.yaml"), host)
    folder = train(bare, host, tmp_path / "runs" / "actor", "prefrl train run.yaml")
    by_run = gathered(bare, store, "run", policy=str(folder))
    shutil.copytree(folder, tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "config.yaml").unlink()
    by_zip = gathered(bare, store, "zip", policy=str(tmp_path / "elsewhere" / "model.zip"))
    assert by_run.steps == by_zip.steps == 600
    for wrong, words in (
        (tmp_path / "none", "neither a run folder nor a saved policy"),
        (folder / "manifest.json", "is no policy that SB3's ppo saved"),
    ):
        with pytest.raises(ConfigError, match=words):
            gathered(bare, store, "wrong", policy=str(wrong))
    with pytest.raises(ConfigError, match=r"takes observations of shape \(3,\)"):
        gathered(settings_of(host, "env: {id: CartPole-v1}"), store, "cart", policy=str(folder))


def test_a_description_counts_who_answered_what(host: PluginHost, store: Store) -> None:
    gathered(settings_of(host), store)
    data = store.data_set("clips")
    first, second, third = list(data.queries(data.open_queries()).values())[:3]
    data.add(Preference.of(first, Tiers(((0,), (1,))), source="human", annotator="ada"))
    data.add(Preference.of(second, None, source="human", annotator="ada"))
    data.add(Preference.of(third, Tiers(((0, 1),)), source="script"))
    found = described(store, "clips")
    assert (found["queries"], found["open"], found["annotators"]) == (8, 5, ["ada"])
    assert found["answers"] == {"human": {"answered": 1, "skip": 1}, "script": {"answered": 1}}
    assert found["example"] == {
        "kind": "pair",
        "question": "reward",
        "items": 2,
        "steps": [10, 10],
        "true_reward": True,
    }
