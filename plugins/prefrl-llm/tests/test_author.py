"""An author of rewards learns to write what made robots do well; a frozen one goes on as it was."""

from __future__ import annotations

import math
import sys
import types
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prefrl import config, tree
from prefrl.doors import Found, PluginRecord
from prefrl.errors import ConfigError
from prefrl.losses import Kind, Labels, build_loss
from prefrl.plugins import PluginHost
from prefrl.procedures.run import Run
from prefrl.specs import BuildContext, ProcedureSpec, RunContext, hookimpl
from prefrl.types import Candidate, EnvInfo, Query, Segment, Text
from prefrl_llm.author import Author
from prefrl_llm.options import AuthorOptions, BuiltOptions, SftOptions

COLOURS = ("red", "green", "blue", "grey")
PROMPT = "which colour pays?"


def author(**changes: Any) -> Author:
    options = AuthorOptions(
        prompt=PROMPT, examples=COLOURS, built=BuiltOptions(layers=1, width=32, context=48), new_tokens=6,
        sft=SftOptions(updates=60, batch_size=16, learning_rate=3e-3), **changes,
    )  # fmt: skip
    return Author(options, BuildContext("run", "reward", 0, EnvInfo("Toy-v0", (3,), (), discrete_actions=4)))


def test_it_writes_what_it_was_shown_and_the_same_again() -> None:
    one, other = author(), author()
    texts = one.propose(40)
    assert texts == other.propose(40)
    assert one.propose(40) != texts
    known = Counter(texts)
    assert sum(known[colour] for colour in COLOURS) >= 36
    assert len(known) >= 4


def test_texts_and_candidates_are_scored_alike_and_begin_at_ln_2() -> None:
    model = author()
    texts = [Text(PROMPT, colour) for colour in COLOURS]
    candidates = [Candidate(f"c{i}", colour) for i, colour in enumerate(COLOURS)]
    batch = model.collate(candidates)
    assert torch.equal(batch.completion.ids, model.collate(texts).completion.ids)
    index = torch.arange(4).view(2, 2)
    longest = int(batch.lengths.max())
    offsets = torch.arange(longest).expand(2, 2, -1)
    steps = torch.where(offsets < batch.lengths[index].unsqueeze(-1), offsets, -1)
    specs = PluginHost.from_environment(environ={}).specs("losses")
    scores = model.scorers()[0].score(batch, index, steps, torch.ones(2, 2))
    loss = build_loss([(1.0, "dpo", specs["dpo"].options())], specs)
    out = loss(scores, Labels(Kind.PAIR, pref=torch.ones(2)))
    assert float(out.loss.detach()) == pytest.approx(math.log(2), abs=1e-6)
    assert scores.aux["length"].tolist() == batch.lengths[index].float().tolist()
    assert np.allclose(model.returns(texts), 0.0, atol=1e-6)


def test_clips_are_no_texts() -> None:
    clip = Segment.of(np.zeros((2, 3)), np.zeros(1))
    with pytest.raises(ConfigError, match="'llm_author' learns from answers about texts, and was given clips"):
        author().collate([clip])


# --- a whole run: each text decides what a robot does, and clips of that are ranked ---


class Constant:
    """A robot that does what one text says, whatever it sees."""

    def __init__(self, action: int) -> None:
        self._action = action

    def act(self, obs: Any, deterministic: bool = True) -> Any:
        return np.full(len(obs), self._action)


class Authors:
    """Texts, robots, clips, a ranking, a fit; twice."""

    def __init__(self, options: Any) -> None: ...

    def run(self, context: RunContext) -> None:
        reward: Any = context.reward
        context.learner()
        for number in (1, 2):
            texts = [text for text in dict.fromkeys(reward.propose(12)) if text in COLOURS]
            items = []
            for text in texts:
                (episode,) = context.collect(Constant(COLOURS.index(text)), 1, 0)
                clip = Segment.of(
                    np.array(episode.obs), np.array(episode.action), true_reward=np.array(episode.true_reward)
                )
                items.append(Candidate(text, text, clip))
            context.ask([Query.of("authors", number, items, kind="ranking")], number)
            context.fit(number)
        context.evaluate(Constant(2), final=True)  # type: ignore[arg-type]  # it only acts

    def state_dict(self) -> Mapping[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


def plugin() -> types.ModuleType:
    module = types.ModuleType("authors")

    @hookimpl
    def prefrl_register_procedures() -> Iterable[ProcedureSpec]:
        yield ProcedureSpec(name="authors", summary="for this test", build=Authors)

    module.prefrl_register_procedures = prefrl_register_procedures  # type: ignore[attr-defined]
    return module


CONFIG = """
env: {id: PrefrlColours-v0, n_envs: 1, kwargs: {contexts: [[2, 0]]}}
algo: {name: ppo, n_timesteps: 64, n_steps: 64, batch_size: 32}
procedure: {name: authors}
pretrain: null
sources: {oracle: {}}
feedback: {total: 2, segment: 2, items: 4}
reward:
  model: llm_author
  prompt: "which colour pays?"
  examples: [red, green, blue, grey]
  built: {layers: 1, width: 32, context: 48}
  sft: {updates: 60, batch_size: 16, learning_rate: 3.0e-3}
  new_tokens: 6
  loss: {name: LOSS}
  fit: {updates: 30, epochs: 100, learning_rate: 3.0e-3, validation: 0, stop_accuracy: null}
evaluate: {episodes: 2, final_episodes: 2}
run: {name: authors}
"""


@pytest.mark.parametrize("loss", ["dpo", "plackett_luce, transform: [{log_ratio: 0.1}]"])
def test_ranked_texts_make_the_best_one_likelier(loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "prefrl_llm" in sys.modules
    host = PluginHost.from_environment()
    host.admit(Found(PluginRecord("authors", "this test"), plugin))
    settings = config.resolve(tree.parse(CONFIG.replace("LOSS", loss), "run.yaml"), host)
    run = Run(settings, host, tmp_path / "runs" / "authors", "prefrl train run.yaml")
    before = Counter(run.reward.propose(200))  # type: ignore[attr-defined]  # the author's own
    run.execute()
    after = Counter(run.reward.propose(200))  # type: ignore[attr-defined]  # as above
    assert after["blue"] >= before["blue"] + 30
    texts = [Text(PROMPT, colour) for colour in COLOURS]
    assert run.reward.returns(texts)[0].argmax() == 2
