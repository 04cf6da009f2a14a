"""Programs as a reward, as a source and as a basis, on a run's folder that holds two of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from prefrl.errors import ConfigError, PluginError
from prefrl.specs import AskContext, BuildContext
from prefrl.testing import reward_model_checks, source_checks
from prefrl.types import Candidate, EnvInfo, Episode, Factor, Query, Segment, Text
from prefrl_icpl.basis import Basis
from prefrl_icpl.options import BasisOptions, ProgramOptions, ProgramsOptions
from prefrl_icpl.program import ProgramReward, read_fault
from prefrl_icpl.source import Programs
from prefrl_icpl.traces import read_traces

pytestmark = pytest.mark.usefixtures("sandbox")
ENV = EnvInfo("Toy-v0", (3,), (1,), factors={"speed": Factor("speed", privileged=False), "secret": Factor("secret")})
HEAD = "def reward(obs, action, next_obs, factors):\n    "
FIRST = HEAD + "return next_obs[:, 0], {'first': next_obs[:, 0]}\n"
SECOND = HEAD + "return 100 * next_obs[:, 1] - 0.0 * factors['speed'], {}\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "icpl" / "programs"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text(FIRST)
    (folder / "b.py").write_text(SECOND)
    (folder.parent / "best.json").write_text(json.dumps(["programs/a.py", "programs/b.py"]))
    return tmp_path / "run"


def context(folder: Path = Path(), name: str = "icpl", env: EnvInfo = ENV) -> BuildContext:
    return BuildContext("run", name, 0, env, folder=folder)


def clip(first: float, second: float = 0.0, steps: int = 4) -> Segment:
    obs = np.tile([first, second, 0.0], (steps + 1, 1))
    return Segment.of(obs, np.zeros((steps, 1)), factors={"speed": np.ones(steps), "secret": np.full(steps, 1e9)})


def episode(name: str, steps: int, value: float) -> Episode:
    one = clip(value, 2 * value, steps)
    return Episode(name, one.obs, one.action, factors=one.factors)


# --- one program -----------------------------------------------------------------------------------------------------


def test_a_program_is_the_reward_and_its_training_is_traced(tmp_path: Path, run: Path) -> None:
    model = ProgramReward(ProgramOptions(file=run / "icpl" / "programs" / "a.py"), context(tmp_path))
    assert (
        model.rewards([episode("run/0", 600, 1.0), episode("run/1", 600, 2.0)])["reward"].tolist()
        == [1.0] * 600 + [2.0] * 600
    )
    model.rewards([episode("evaluation/1", 2000, 9.0)])  # is no training
    model.rewards([episode("run/0", 300, 5.0)])
    assert read_traces(tmp_path) == {"total": [1.5], "first": [1.5]}
    assert model.returns([clip(1.0), Candidate("c", clip=clip(3.0, steps=2))]).tolist() == [[4.0, 6.0]]
    other = ProgramReward(ProgramOptions(file=run / "icpl" / "programs" / "a.py"), context(tmp_path))
    other.load_state_dict(model.state_dict())
    other.rewards([episode("run/0", 700, 5.0)])
    assert read_traces(tmp_path)["total"] == [1.5, 5.0]
    assert read_fault(tmp_path) is None
    assert model.scorers() == ()


@pytest.mark.parametrize(("text", "kind", "words"), [
    (HEAD + "return np.log(obs[:, 0]), {}", "raised", "line 2: FloatingPointError"),
    ("import os", "refused", "'import os' is not allowed"),
    (HEAD + "return factors['secret'], {}", "raised", "KeyError: 'secret'"),
])  # fmt: skip
def test_a_program_that_fails_in_training_says_why(tmp_path: Path, text: str, kind: str, words: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(text)
    with pytest.raises(PluginError, match=r"program.py cannot be used: ") as caught:
        ProgramReward(ProgramOptions(file=file), context(tmp_path)).rewards([episode("run/0", 5, -1.0)])
    assert words in str(caught.value)
    fault = read_fault(tmp_path)
    assert fault is not None
    assert (fault.kind, words in str(fault)) == (kind, True)


def test_privileged_factors_only_if_allowed(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(HEAD + "return factors['secret'] * 1e-6, {}")
    model = ProgramReward(ProgramOptions(file=file, privileged=True), context())
    assert model.rewards([episode("run/0", 2, 0.0)])["reward"].tolist() == [1000.0, 1000.0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"reward.file: .*none.py cannot be read"):
        ProgramReward(ProgramOptions(file=tmp_path / "none.py"), context())


# --- the source ------------------------------------------------------------------------------------------------------


def answers(run: Path, queries: list[Query], programs: int) -> list[tuple[int, ...]]:
    source = Programs(ProgramsOptions(run=run, programs=programs), context())
    said = source.label(queries, AskContext(0, 0, np.random.default_rng(0)))
    return [preference.answer.ranks(3) for preference in said]  # type: ignore[union-attr]


def test_programs_rank_by_mean_rank_whatever_their_scales(run: Path) -> None:
    query = Query.of("run", 0, [clip(1.0, 0.0), clip(2.0, 0.1), clip(3.0, 0.2)], kind="ranking")
    split = Query.of("run", 0, [clip(1.0, 3.0), clip(2.0, 2.0), clip(3.0, 1.0)], kind="ranking")
    assert answers(run, [query, split], 1) == [(2, 1, 0), (2, 1, 0)]
    assert answers(run, [query, split], 2) == [(2, 1, 0), (0, 0, 0)]


def test_a_short_clip_is_judged_by_what_it_shows(run: Path) -> None:
    query = Query.of("run", 0, [clip(1.0, steps=9), clip(2.0, steps=2), clip(1.0, steps=3)], kind="ranking")
    assert answers(run, [query], 1) == [(1, 0, 1)]


def test_other_questions_and_other_items(run: Path) -> None:
    assert answers(run, [Query.of("run", 0, [clip(1.0), clip(2.0)], question="similar")], 1) == []
    with pytest.raises(PluginError, match=r"is a text without one"):
        answers(run, [Query.of("run", 0, [Text("a", "b"), Text("a", "c")])], 1)


def test_a_run_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sources.icpl.run: .* is no run with procedure icpl"):
        Programs(ProgramsOptions(run=tmp_path), context())


# --- the basis -------------------------------------------------------------------------------------------------------


def test_weights_from_a_handful_of_answers(run: Path) -> None:
    """The second program is what people go by, the first leads astray; 12 answers tell."""
    rng = np.random.default_rng(0)
    model = Basis(BasisOptions(run=run, programs=2), context())
    noise = rng.normal(size=(501, 3))
    model.observe(
        [Episode("run/0", noise, np.zeros((500, 1)), factors={"speed": np.ones(500), "secret": np.ones(500)})]
    )
    clips = [clip(*rng.normal(size=2)) for _ in range(24)]
    batch = model.collate(clips)
    better = np.array([[2 * i + (clips[2 * i].obs[0, 1] < clips[2 * i + 1].obs[0, 1]) for i in range(12)]])[0]
    index = torch.tensor([[b, 4 * (b // 2) + 1 - b] for b in better.tolist()])
    steps = torch.arange(4).expand(12, 2, 4)
    (scorer,) = model.scorers()
    optimiser = torch.optim.Adam(scorer.parameters(), 0.1)
    for _ in range(200):
        scores = scorer.score(batch, index, steps, torch.ones(12, 2)).s
        loss = torch.nn.functional.softplus(scores[:, 1] - scores[:, 0]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.fitted()
    first, second = scorer.weights.tolist()
    assert second > 5 * abs(first)
    held_out = [clip(*rng.normal(size=2)) for _ in range(100)]
    learned = model.returns(held_out)[0]
    assert np.corrcoef(learned, [one.obs[0, 1] for one in held_out])[0, 1] > 0.95
    again = Basis(BasisOptions(run=run, programs=2), context())
    again.load_state_dict(model.state_dict())
    assert np.array_equal(again.returns(held_out), model.returns(held_out))
    assert again.version == 1


def test_before_any_answer_the_basis_is_the_programs_mean(run: Path) -> None:
    model = Basis(BasisOptions(run=run, programs=2), context())
    assert model.rewards([episode("run/0", 3, 1.0)])["reward"].tolist() == pytest.approx([(1 + 200) / 2] * 3)


# --- promises --------------------------------------------------------------------------------------------------------

RUN = str(Path(__file__).parent / "data" / "run")


@source_checks("icpl", options={"run": RUN})
def test_the_source_keeps_its_promises(check: Callable[[], None]) -> None:
    check()


@reward_model_checks("icpl_basis", options={"run": RUN})
def test_the_basis_keeps_its_promises(check: Callable[[], None]) -> None:
    check()


@reward_model_checks("icpl_program", options={"file": f"{RUN}/icpl/first.py"})
def test_the_program_keeps_its_promises(check: Callable[[], None]) -> None:
    check()
