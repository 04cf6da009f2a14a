"""With its reward and every privileged quantity replaced by NaN, a run that hears recorded answers is the same run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from prefrl.procedures.run import Run
from prefrl.rollout import vectorised
from prefrl.rollout.environments import make
from prefrl.specs import AskContext, SourceSpec, hookimpl
from prefrl.store import open_store
from prefrl.types import Preference, Query, Tiers

Train = Callable[..., Run]


class Blind(gym.Wrapper[Any, Any, Any, Any]):
    """Innermost around every training environment: reward and privileged info are NaN."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        obs, _, terminated, truncated, info = self.env.step(action)
        hidden = {name: np.nan if isinstance(value, (int, float, np.number)) else value for name, value in info.items()}
        return obs, np.nan, terminated, truncated, hidden


@pytest.fixture
def blinded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectorised, "make", lambda settings: Blind(make(settings)))


@pytest.fixture
def recorded(train: Train, tmp_path: Path) -> str:
    """The setting by which answers come from a file that an oracle's run wrote."""
    first = train("first")
    path = tmp_path / "answers.jsonl"
    with open_store(None, first.folder.parent) as store:
        store.data_set("run").export(path)
    return f"sources={{oracle: {{use: file, path: {path}}}}}"


def everything(run: Run) -> dict[str, Any]:
    learner: Any = run.learner()
    return {
        **{f"policy/{k}": v for k, v in learner._model.policy.state_dict().items()},
        **dict(_flat("optimizer", learner._model.policy.optimizer.state_dict())),
        **dict(_flat("reward", run.reward.state_dict())),
    }


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{name}/{key}", item)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _flat(f"{name}/{i}", item)
    else:
        yield name, value


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    def equal(x: Any, y: Any) -> bool:
        return torch.equal(x, y) if isinstance(x, torch.Tensor) else bool(x == y)

    return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)


def asked(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.folder / "run_log.jsonl").read_text().splitlines()]


@pytest.mark.usefixtures("blinded")
def test_the_ground_truth_arm_is_ruined_by_the_blindfold(train: Train) -> None:
    with pytest.raises(ValueError, match="nan"):  # a learner that sees the environment's reward is ruined by it
        train("blind", "reward={model: true_reward}", "sources={}", "pretrain=null")


def test_nothing_privileged_reaches_policy_reward_model_or_questions(
    train: Train, recorded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train("plain", recorded)
    monkeypatch.setattr(vectorised, "make", lambda settings: Blind(make(settings)))
    blind = train("blind", recorded)
    assert np.isnan(
        np.asarray(blind.pool.segment(blind.pool.sample(1, 5, np.random.default_rng(0))[0]).true_reward)
    ).all()
    assert _same(everything(plain), everything(blind))
    assert asked(plain) == asked(blind)
    assert len(asked(plain)) >= 2 * 12
    evaluated = [
        json.loads(line)["true_return"] for line in (blind.folder / "evaluations.jsonl").read_text().splitlines()
    ]
    assert np.isfinite(evaluated).all()  # evaluation has environments of its own


def _plugin(needs: frozenset[str]) -> ModuleType:
    class Greedy:
        def label(self, queries: Sequence[Query], context: AskContext) -> Iterator[Preference]:
            for query in queries:
                returns = [float(np.sum(item.true_reward)) for item in query.items]  # type: ignore[union-attr]  # the point
                best = int(returns[1] > returns[0])
                yield Preference.of(query, Tiers(((best,), (1 - best,))), source="greedy")

    module = ModuleType("greedy")

    @hookimpl
    def prefrl_register_sources() -> list[SourceSpec]:
        return [SourceSpec(name="greedy", summary="reads the true reward", build=lambda o, c: Greedy(), needs=needs)]

    module.prefrl_register_sources = prefrl_register_sources  # type: ignore[attr-defined]  # a module made on the spot
    return module


def test_a_source_that_reads_true_reward_undeclared_fails(train: Train) -> None:
    with pytest.raises(TypeError, match="NoneType"):
        train("undeclared", "sources={greedy: {}}", plugins=(_plugin(frozenset()),))


def test_one_that_declares_it_makes_the_blinded_run_another_run(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = (_plugin(frozenset({"true_reward"})),)
    seeing = train("seeing", "sources={greedy: {}}", plugins=honest)
    monkeypatch.setattr(vectorised, "make", lambda settings: Blind(make(settings)))
    blind = train("blind", "sources={greedy: {}}", plugins=honest)
    assert not _same(everything(seeing), everything(blind))
