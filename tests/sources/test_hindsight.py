"""A clip goes on as it did go on, and the judge sees what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefrl.errors import BadAnswer, ConfigError
from prefrl.evaluation import Evaluator
from prefrl.rollout.environments import make
from prefrl.rollout.vectorised import information
from prefrl.segments import cut
from prefrl.settings import EnvSettings, SourceSettings
from prefrl.sources.hindsight import Hindsight
from prefrl.sources.panel import Panel, seat
from prefrl.specs import AskContext, BuildContext, SourceSpec
from prefrl.store import open_store
from prefrl.types import Array, Correction, EnvInfo, Preference, Query, Segment, Tiers

SETTINGS = EnvSettings(id="prefrl_envs:Reach-v0")


class Steady:
    """Turns with what it sees, so that an action tells where the arm is."""

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        return np.tanh(obs[:, 4:6] - 0.3)

    def log_prob(self, obs: Array, action: Array) -> Array:
        raise NotImplementedError

    def save(self, path: Path) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def env() -> EnvInfo:
    return information(SETTINGS)


@pytest.fixture(scope="module")
def episode(env: EnvInfo) -> Iterator[Any]:
    evaluator = Evaluator(SETTINGS, env)
    yield evaluator.episodes(Steady(), [7])[0]
    evaluator.close()


def hindsight(env: EnvInfo, steps: int) -> Hindsight:
    return Hindsight(steps, lambda: make(SETTINGS), env, "sources.careful")


def test_what_follows_is_what_did_follow(env: EnvInfo, episode: Any) -> None:
    asked = Query.of("run", 0, [cut(episode, 3, 10), cut(episode, 20, 10)])
    imagined = hindsight(env, 12).query(asked, Steady())
    assert imagined.id == asked.id
    for before, after, start in zip(asked.items, imagined.items, (3, 20), strict=True):
        truth = cut(episode, start, 22)
        assert isinstance(before, Segment)
        assert isinstance(after, Segment)
        assert len(before) == 10
        for name in ("obs", "action", "true_reward", "states"):
            assert getattr(after, name) == pytest.approx(getattr(truth, name), abs=1e-9), name
        assert after.factors["distance"] == pytest.approx(truth.factors["distance"], abs=1e-9)
        assert after.cost["energy"] == pytest.approx(truth.cost["energy"], abs=1e-9)


def test_a_clip_that_ended_has_no_future(env: EnvInfo) -> None:
    done = Segment.of(np.zeros((3, 10)), np.zeros((2, 2)), states=np.zeros((3, 9)), terminated=True)
    (item,) = hindsight(env, 5).query(Query.of("run", 0, [done]), Steady()).items
    assert item is done


class Judge:
    """Prefers what it sees more of, and remembers what it was given."""

    def label(self, queries: Any, context: AskContext) -> Iterator[Preference]:
        self.seen, self.context = list(queries), context
        for query in queries:
            yield Preference.of(query, Tiers(((0,), (1,))), source="careful")


def test_a_source_judges_what_came_of_a_clip_and_the_answer_is_about_the_clip(
    env: EnvInfo, episode: Any, tmp_path: Path
) -> None:
    judge = Judge()
    spec = SourceSpec(name="careful", summary="", build=lambda options, context: judge)
    built = BuildContext("run", "careful", 0, env, make_env=lambda: make(SETTINGS))
    query = Query.of("run", 0, [cut(episode, 0, 10), cut(episode, 20, 10)])
    with open_store(None, tmp_path) as store:
        data = store.data_set("toy", env)
        panel = Panel([seat("careful", spec, SourceSettings(hindsight=4), built, "pair")], data, env)
        (answer,) = panel.ask([query], lambda _: AskContext(0, 1, np.random.default_rng(0), policy=Steady()))
        assert answer.query_id == query.id
        stored = data.query(query.id)
        assert [len(item) for item in stored.items if isinstance(item, Segment)] == [10, 10]
    assert [len(item) for item in judge.seen[0].items] == [14, 14]
    assert judge.seen[0].items[0].true_reward is None  # declared nothing, sees nothing
    assert judge.context.policy is None


def test_where_it_cannot_be_is_said(env: EnvInfo) -> None:
    with pytest.raises(ConfigError, match="no MuJoCo states are recorded; set it to 0"):
        Hindsight(3, lambda: None, EnvInfo("Toy-v0", (1,), (1,)), "sources.careful")
    with pytest.raises(ConfigError, match="nothing learns here"):
        hindsight(env, 3).query(Query.of("run", 0, []), None)
    people = SourceSpec(name="people", summary="", build=lambda *_: None, deferred=True)
    built = BuildContext("run", "people", 0, env, make_env=lambda: make(SETTINGS))
    with pytest.raises(ConfigError, match=r"sources.people.hindsight: .* answers later"):
        seat("people", people, SourceSettings(hindsight=3), built, "pair")


class Shower:
    """Answers, and corrects the second clip."""

    def label(self, queries: Any, context: AskContext) -> Iterator[Any]:
        assert context.simulate is not None
        for query in queries:
            yield Preference.of(query, Tiers(((0,), (1,))), source="shower")
            bad = query.items[1]
            assert bad.true_reward is None
            assert bad.states is not None
            good = context.simulate(bad, Steady(), len(bad))
            asked = Query.of("run", query.round, [good, bad], why="correction")
            yield Correction(asked, Preference.of(asked, Tiers(((0,), (1,))), source=self.signed))

    signed = "shower"


def corrected(
    env: EnvInfo, episode: Any, folder: Path, shower: Shower, **settings: Any
) -> tuple[list[Preference], Any]:
    spec = SourceSpec(name="shower", summary="", build=lambda *_: shower, needs=frozenset({"states", "env"}))
    context = BuildContext("run", "shower", 0, env, make_env=lambda: make(SETTINGS))
    asked = [Query.of("run", i, [cut(episode, i, 10), cut(episode, 20 + i, 10)]) for i in range(2)]
    with open_store(None, folder) as store:
        data = store.data_set("toy", env)
        panel = Panel([seat("shower", spec, SourceSettings(**settings), context, "pair")], data, env)
        answers = panel.ask(asked, lambda _: AskContext(0, 1, np.random.default_rng(0)))
        return answers, data.queries([answer.query_id for answer in answers])


def test_a_correction_is_simulated_from_the_beginning_and_stored_whole(
    env: EnvInfo, episode: Any, tmp_path: Path
) -> None:
    answers, queries = corrected(env, episode, tmp_path, Shower())
    assert [queries[answer.query_id].why for answer in answers] == ["", "", "correction", "correction"]
    good, bad = queries[answers[2].query_id].items
    truth = cut(episode, 20, 10)
    assert good.obs == pytest.approx(truth.obs, abs=1e-9)  # the episode was this policy's own
    for clip in (good, bad):
        assert clip.true_reward == pytest.approx(truth.true_reward)
        assert set(clip.factors) == set(truth.factors)


def test_a_correction_counts_against_the_budget_and_must_be_sound(env: EnvInfo, episode: Any, tmp_path: Path) -> None:
    answers, _ = corrected(env, episode, tmp_path / "a", Shower(), budget=3)
    assert len(answers) == 4  # both questions were within it; a third would not be
    wrong = Shower()
    wrong.signed = "somebody"
    with pytest.raises(BadAnswer, match="'shower' gave a correction with a bad answer: it is signed 'somebody'"):
        corrected(env, episode, tmp_path / "b", wrong)


def test_a_task_without_states_cannot_be_corrected(env: EnvInfo) -> None:
    spec = SourceSpec(name="shower", summary="", build=lambda *_: Shower(), needs=frozenset({"states", "env"}))
    context = BuildContext("run", "shower", 0, replace(env, has_states=False), make_env=lambda: make(SETTINGS))
    with pytest.raises(ConfigError, match=r"sources.shower: 'shower' shows how to do better, and no MuJoCo states"):
        seat("shower", spec, SourceSettings(), context, "pair")
