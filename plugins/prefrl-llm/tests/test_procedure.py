"""Whole runs: comparing attempts from one start teaches a language model to choose, and the report says how far."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from prefrl.cli import app
from prefrl.errors import ConfigError
from prefrl.store import open_store
from prefrl_llm.learner import LanguageLearner

Train = Callable[..., Path]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_comparisons_teach_it_what_its_reference_does_not_know(train: Train) -> None:
    run = train()
    told = json.loads((run / "outcome.json").read_text(encoding="utf-8"))
    held_out = told["held_out"]
    assert told["answered"] <= 300
    assert held_out["win_rate"]["share"] >= 0.8  # in goals and rooms that no question put together
    assert held_out["win_rate_over_sampled"]["share"] >= 0.8
    assert held_out["policy_success"] > held_out["sampled_success"]
    fits = lines(run / "fits.jsonl")
    assert len(fits) == 3
    assert {"logp/chosen", "logp/rejected", "kl_ref", "len_margin_corr"} <= set(fits[-1]["metrics"])
    assert told["displacement"]["chosen"] > told["displacement"]["rejected"]

    done = CliRunner().invoke(app, ["report", str(run)])
    assert done.exit_code == 0, done.output
    assert "Taught by comparing attempts from one start" in (run / "report.md").read_text(encoding="utf-8")


def test_questions_are_about_one_start_and_different_attempts(train: Train) -> None:
    run = train("feedback.total=8", "feedback.items=3", "procedure.held_out.episodes=2")
    store = open_store(None, run.parent)
    data = store.data_set("tiny")
    queries = [data.query(preference.query_id) for _, preference in data.current()]
    store.close()
    assert queries
    assert {query.kind for query in queries} == {"ranking"}
    for query in queries:
        starts = {tuple(item.obs[0]) for item in query.items}
        assert len(starts) == 1
        assert len({tuple(item.action) for item in query.items}) == 3


def test_the_same_seed_gives_the_same_run(train: Train) -> None:
    quick = ("feedback.total=6", "reward.fit.updates=4", "procedure.held_out.episodes=2")
    one, other = train(*quick, name="one"), train(*quick, name="two")
    assert (one / "outcome.json").read_text() == (other / "outcome.json").read_text()


def test_it_goes_on_from_what_another_run_saved(train: Train) -> None:
    quick = ("feedback.total=6", "reward.fit.updates=4", "procedure.held_out.episodes=2")
    first = train(*quick, name="first")
    second = train(*quick, f"algo.path={first}", "procedure.sft.updates=0", name="second")
    assert (
        lines(second / "evaluations.jsonl")[0]["true_return"] == lines(first / "evaluations.jsonl")[-1]["true_return"]
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"model: policy\n  log_prob: density\n  loss: {name: dpo, beta: 1.0}": "model: ensemble"},
            "procedure.name: 'same_start' fits a policy to answers and no reward model",
        ),
        ({"sources: {oracle: {}}": "sources: {}"}, "there is no source and data set 'tiny' holds none"),
        (
            {"name: llm": "name: llm\n  actions: [red, blue]"},
            "algo.actions: 2 names for 4 actions: red, blue; name each",
        ),
        ({"name: same_start, sft": "name: offline, clone: 1} #"}, "the procedure 'offline' asks nobody"),
        (
            {"id: PrefrlColours-v0": "id: PrefrlTorque-v0"},
            "picks among named actions, and this environment has Box actions",
        ),
    ],
)
def test_what_does_not_go_together_is_a_sentence(changes: dict[str, str], said: str, train: Train) -> None:
    with pytest.raises(ConfigError) as caught:
        train(changes=changes)
    assert said in str(caught.value)


def test_reward_teaches_it_nothing_and_it_says_so() -> None:
    with pytest.raises(ConfigError, match="'llm' learns from answers and not from reward: take procedure same_start"):
        LanguageLearner.advance(None, 10)  # type: ignore[arg-type]  # it refuses before it looks at itself
