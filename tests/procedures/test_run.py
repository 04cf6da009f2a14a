"""What a run leaves behind, and that the same settings leave the same behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from prefrl.errors import ConfigError
from prefrl.evaluation import evaluate_run
from prefrl.procedures.run import Run
from prefrl.report import summary_lines
from prefrl.specs import RunSummary, hookimpl
from prefrl.store import open_store
from prefrl.types import Segment

Train = Callable[..., Run]


def lines(run: Run, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.folder / name).read_text().splitlines()]


def test_a_run_folder_holds_what_the_report_reads(train: Train) -> None:
    run = train("whole")
    files = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file()}
    assert files >= {
        "config.yaml", "command.txt", "manifest.json", "progress.csv", "progress.json", "evaluations.jsonl", "evaluations.npz",
        "random.json", "fits.jsonl", "run_log.jsonl", "timing.json", "calibration.json", "correlation.npz", "model.zip",
        "vecnormalize.pkl", "reward_model.pt", "episodes/start.npz", "episodes/middle.npz", "episodes/end.npz",
    }  # fmt: skip
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["status"] == "ok"
    assert manifest["env"]["factors"]["x_velocity"]["privileged"] is True
    assert manifest["termination"].startswith("Termination: keep. None of 6 episodes reached a terminal state")
    assert [line["preferences"] for line in lines(run, "fits.jsonl")] == [4, 8, 12]
    evaluations = lines(run, "evaluations.jsonl")
    assert [line["step"] for line in evaluations] == [0, 384, 768]
    assert evaluations[-1]["seeds"] == [10_000]
    assert -1 <= evaluations[-1]["rank_correlation"] <= 1
    assert any("preferences" in line for line in summary_lines(run.folder))
    timing = json.loads((run.folder / "timing.json").read_text())
    assert timing["total"] >= sum(timing[phase] for phase in ("collect", "learn", "fit", "relabel", "ask", "evaluate"))


def test_the_run_log_says_what_the_run_asked_and_when_it_saw_the_answers(train: Train) -> None:
    run = train("log")
    log = lines(run, "run_log.jsonl")
    asked = [line for line in log if "query" in line]
    seen = [line for line in log if "preference" in line]
    assert len(asked) == len(seen) == 12
    assert sorted({line["step"] for line in asked}) == [
        256,
        512,
        640,
    ]  # whole rollouts of 128 from the end of pretraining
    assert [line["position"] for line in seen] == list(range(1, 13))
    assert [line["fit"] for line in seen] == [0] * 4 + [1] * 4 + [2] * 4
    with open_store(None, run.folder.parent) as store:
        assert {p.query_id for _, p in store.data_set("run").current()} == {line["query"] for line in asked}


def test_equal_settings_give_equal_weights_and_questions(train: Train) -> None:
    first, second = train("first"), train("second")
    assert (first.folder / "run_log.jsonl").read_text() == (second.folder / "run_log.jsonl").read_text()
    a, b = (torch.load(run.folder / "reward_model.pt") for run in (first, second))
    assert all(torch.equal(a["members"][0][name], b["members"][0][name]) for name in a["members"][0])
    returns = [[line["true_return"] for line in lines(run, "evaluations.jsonl")] for run in (first, second)]
    assert returns[0] == returns[1]
    other = train("other", "run.seed=4")
    assert (other.folder / "run_log.jsonl").read_text() != (first.folder / "run_log.jsonl").read_text()


def test_the_golden_run(train: Train) -> None:
    """A fixed seed on the CPU asks these very questions; a change here changes every result, and is to be meant."""
    run = train(
        "golden",
        "env={id: CartPole-v1, n_envs: 2}",
        "algo.n_timesteps=384",
        "feedback={total: 4, rounds: 2, segment: 10}",
    )
    asked = [line["query"][:12] for line in lines(run, "run_log.jsonl") if "query" in line]
    assert asked == GOLDEN


GOLDEN = ["2eb9c87c4efa", "63ce008e48e3", "0bf4f04bb62c", "c3a704721fd1"]


def test_the_resolved_config_repeats_the_run(train: Train, tmp_path: Path) -> None:
    first = train("first", "feedback.total=4", "feedback.rounds=1")
    resolved = yaml.safe_load((first.folder / "config.yaml").read_text())
    second = train("second", *[f"{key}={json.dumps(value)}" for key, value in resolved.items() if key != "plugins"])
    assert (first.folder / "run_log.jsonl").read_text() == (second.folder / "run_log.jsonl").read_text()
    assert (first.folder / "config.yaml").read_text() == (second.folder / "config.yaml").read_text()


def test_rankings_of_four_with_plackett_luce(train: Train) -> None:
    run = train("rankings", "feedback={total: 6, rounds: 2, segment: 20, items: 4}", "reward.loss=plackett_luce")
    assert lines(run, "fits.jsonl")[-1]["preferences"] == 6
    with open_store(None, run.folder.parent) as store:
        assert all(len(p.answer.tiers) == 4 for _, p in store.data_set("run").current())


def test_entropy_pretraining_learns_from_state_entropy(train: Train) -> None:
    run = train("entropy", "pretrain={name: entropy, steps: 256}", "feedback.total=4", "feedback.rounds=1")
    rows = (run.folder / "progress.csv").read_text().splitlines()
    assert rows[0].count("train/") > 0
    assert lines(run, "run_log.jsonl")[0]["step"] == 256


def test_answers_of_an_earlier_run_train_a_run_without_sources(train: Train) -> None:
    first = train("shared")
    store = f"sqlite:///{first.folder.parent}/prefrl.sqlite"
    second = train("later", "sources={}", "store.data_set=run", f"store.url={store}")
    fits = lines(second, "fits.jsonl")
    assert [line["preferences"] for line in fits] == [12]
    assert not any("query" in line for line in lines(second, "run_log.jsonl"))


def test_a_model_that_learns_from_answers_needs_somebody_to_ask(train: Train) -> None:
    with pytest.raises(
        ConfigError, match=r"sources: reward.model 'ensemble' learns from answers, but there is no source"
    ):
        train("silent", "sources={}")


def test_a_folder_that_holds_a_run_is_refused(train: Train) -> None:
    train("twice", "feedback.total=0", "sources={}", "reward={model: true_reward}")
    with pytest.raises(ConfigError, match="holds a run already"):
        train("twice", execute=False)


def test_eval_repeats_the_final_evaluation(train: Train) -> None:
    run = train("again", "evaluate.final_episodes=3")
    assert evaluate_run(run.folder, 3).true_return == tuple(lines(run, "evaluations.jsonl")[-1]["true_return"])


def test_a_failing_source_ends_the_run_as_failed_and_keeps_its_answers(train: Train, tmp_path: Path) -> None:
    plugin = ModuleType("moody")
    exec(MOODY, plugin.__dict__)
    with pytest.raises(ZeroDivisionError):
        train("moody", "sources={moody: {}}", plugins=(plugin,))
    folder = tmp_path / "moody" / "run"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["status"], manifest["error"]) == ("failed", "division by zero")
    with open_store(None, folder.parent) as store:
        assert len(store.data_set("run").current()) == 1


MOODY = """
from prefrl.specs import SourceSpec, hookimpl
from prefrl.types import Preference, Tiers

class Moody:
    def label(self, queries, context):
        yield Preference.of(queries[0], Tiers(((0,), (1,))), source="moody")
        1 / 0

@hookimpl
def prefrl_register_sources():
    return [SourceSpec(name="moody", summary="answers once", build=lambda o, c: Moody())]
"""


def test_observers_hear_of_everything_in_order(train: Train) -> None:
    heard: list[str] = []

    class Observer:
        __name__ = "observer"

        @hookimpl
        def prefrl_on_preferences(self, run: Any, preferences: Any) -> None:
            heard.append(f"preferences {len(preferences)}")

        @hookimpl
        def prefrl_on_reward_trained(self, run: Any, fit: Any) -> None:
            heard.append(f"fit {fit.version}")

        @hookimpl
        def prefrl_on_policy_evaluated(self, run: Any, evaluation: Any) -> None:
            heard.append(f"evaluated {evaluation.step}")

        @hookimpl
        def prefrl_on_run_ended(self, run: Any, summary: RunSummary) -> None:
            heard.append(f"ended {summary.status} {summary.preferences}")

    train("heard", plugins=(Observer(),))
    assert heard == [
        "evaluated 0", "preferences 4", "fit 1", "evaluated 384", "preferences 4", "fit 2", "preferences 4", "fit 3",
        "evaluated 768", "ended ok 12",
    ]  # fmt: skip


def test_train_policy_learns_from_another_reward_in_a_folder_of_its_own(train: Train) -> None:
    run = train("policies", "feedback.total=4", "feedback.rounds=1")
    before = {name: w.clone() for name, w in run.learner()._model.policy.state_dict().items()}  # type: ignore[attr-defined]
    policy = run.train_policy(run.reward, seed=9, steps=256)
    assert policy.act(np.zeros((2, 17))).shape == (2, 6)
    after = run.learner()._model.policy.state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_teacher_that_watches_the_run_answers_under_its_own_name(train: Train) -> None:
    watchful = "sources={careful: {use: oracle, error: 0.2, equal: 0.05}}"
    run = train("watched", watchful, "queries.selector=disagreement_kcenter", "feedback.schedule=decaying")
    assert [line["preferences"] for line in lines(run, "fits.jsonl")] == [6, 10, 12]
    store = f"sqlite:///{run.folder.parent}/prefrl.sqlite"
    with open_store(store, run.folder.parent) as opened:
        data = opened.data_set("run")
        assert {preference.source for _, preference in data.current()} == {"careful"}  # what weights and budgets go by
        whys = {query.why.split()[0] for query in data.queries(p.query_id for _, p in data.current()).values()}
    assert whys == {"uniform", "k-center"}


def test_clips_are_drawn_under_videos_as_the_settings_say(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train("drawn", "render={size: 64, camera: side}", execute=False)
    drawn: list[Any] = []
    monkeypatch.setattr("prefrl.procedures.run.render_clips", lambda *given, **how: drawn.append((given, how)))
    clips = [Segment.of(np.full((3, 2), i), np.zeros((2, 1))) for i in range(2)]
    paths = run.render(clips)
    assert paths == [Path("videos") / "run" / f"{clip.id}.mp4" for clip in clips]
    (((segments, into), how),) = drawn
    assert (segments, into) == (clips, paths)
    assert (how["size"], how["camera"], how["env_kwargs"]) == (64, "side", {"max_episode_steps": 100})
    assert how["draw"](clips[0], 64, None) is None  # no plugin here draws it
