"""A device that is named is there or the run says so before it begins; whatever is made follows the reward model's device."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from prefrl import devices
from prefrl.cli import main
from prefrl.errors import EnvironmentMissing
from prefrl.evaluation import evaluate_run
from prefrl.fit import Trainer, gather
from prefrl.learners.on_policy import RunPPO
from prefrl.losses import Kind, build_loss
from prefrl.losses.registered import losses
from prefrl.rewards.ensemble import Ensemble
from prefrl.rewards.options import EnsembleOptions
from prefrl.settings import FitSettings
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo, Episode, Grades, Preference, Query, Segment, Tiers

CONFIG = Path(__file__).parent / "data" / "tiny_cheetah.yaml"
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU that torch can use")


def gpus(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n)


@pytest.mark.parametrize(
    ("there", "wanted", "reward", "policy"),
    [
        (0, "auto", "cpu", "cpu"),
        (0, "cpu", "cpu", "cpu"),
        (2, "auto", "cuda", "cpu"),
        (2, "cpu", "cpu", "cpu"),
        (2, "cuda", "cuda", "cuda"),
        (2, "cuda:1", "cuda:1", "cuda:1"),
    ],
)
def test_auto_puts_the_model_on_a_gpu_and_the_policy_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, there: int, wanted: str, reward: str, policy: str
) -> None:
    gpus(monkeypatch, there)
    assert (devices.existing(wanted), devices.of_learner(wanted)) == (reward, policy)


def test_a_gpu_that_is_not_there_is_named_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 0)
    with pytest.raises(
        EnvironmentMissing, match=r"run\.device: cuda needs an NVIDIA GPU, .* set run\.device: auto or cpu"
    ):
        devices.existing("cuda")
    gpus(monkeypatch, 2)
    with pytest.raises(EnvironmentMissing, match=r"no cuda:7\. Allowed: auto, cpu, cuda:0, cuda:1\. Did you mean"):
        devices.existing("cuda:7")


def test_a_missing_gpu_ends_the_command_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpus(monkeypatch, 0)
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(CONFIG), "--set", "run.device=cuda"]) == 3
    assert "run.device: cuda needs an NVIDIA GPU" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_device_that_is_none_has_its_place_and_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(CONFIG), "--set", "run.device=gpu"]) == 2
    said = capsys.readouterr().err
    assert "--set run.device=gpu: run.device: no device is called 'gpu'." in said
    assert said.endswith("Did you mean 'cuda'?\n")


@pytest.mark.parametrize(
    ("device", "policy", "told"),
    [("cuda", "ActorCriticPolicy", True), ("cuda", "ActorCriticCnnPolicy", False), ("cpu", "ActorCriticPolicy", False)],
)
def test_a_small_ppo_on_a_gpu_is_told_of(
    caplog: pytest.LogCaptureFixture, device: str, policy: str, told: bool
) -> None:
    model: Any = SimpleNamespace(device=torch.device(device), policy_class=type(policy, (), {}))
    with caplog.at_level(logging.WARNING):
        RunPPO._maybe_recommend_cpu(model)
    assert [record.message for record in caplog.records] == [devices.PPO_ON_GPU] * told


# --- everything follows the model ------------------------------------------------------------------------------------

ENV = EnvInfo("Toy-v0", (3,), (2,))


def segment(seed: int, steps: int = 6) -> Segment:
    rng = np.random.default_rng(seed)
    return Segment.of(
        rng.normal(size=(steps + 1, 3)).astype(np.float32), rng.normal(size=(steps, 2)).astype(np.float32)
    )


def fitted(device: str, loss: str, **options: Any) -> tuple[Ensemble, Trainer, Any]:
    """An ensemble after one fit to pairs, or to grades where the loss wants them."""
    reward = Ensemble(EnsembleOptions(members=2, hidden=(8,)), BuildContext("run", "reward", 0, ENV, device, Path()))
    spec = next(SimpleNamespace(**one) for one in losses() if one["name"] == loss)
    trainer = Trainer(
        reward, build_loss([(1.0, loss, spec.options(**options))], {loss: spec}),
        FitSettings(epochs=2, batch_size=4, steps=3, patience=5, max_grad_norm=1.0), [], [], seed=0,
    )  # fmt: skip
    graded = Kind.PAIR not in spec.kinds
    queries = [Query.of("run", i, [segment(2 * i), segment(2 * i + 1, 5)]) for i in range(12)]
    answers = [
        Preference.of(query, Grades((1.0, 0.0)) if graded else Tiers(((i % 2,), (1 - i % 2,))), source="ann")
        for i, query in enumerate(queries)
    ]
    rng = np.random.default_rng(0)
    reward.observe([Episode("e", rng.normal(size=(31, 3)), rng.normal(size=(30, 2)))])
    gathered = gather(answers, {query.id: query for query in queries}, {}, reward, 0.3)
    assert trainer.fit(gathered, 0, 100).version == 1
    return reward, trainer, gathered


LOSSES = [
    ("bradley_terry", {}),
    ("bradley_terry", {"link": "davidson"}),
    ("ordinal", {"levels": 3}),
    ("plackett_luce", {}),
]


def check_everything_is_on(device: str, loss: str, options: dict[str, Any]) -> None:
    reward, trainer, answers = fitted(device, loss, **options)
    kind = torch.device(device).type
    tensors = [answers.batch.inputs, answers.batch.mask, answers.lengths, reward._offset, reward._scale]
    tensors += [tensor for member in reward.members for tensor in (*member.parameters(), *member.buffers())]
    tensors += [*trainer._loss.parameters()]
    tensors += [tensor for part in answers.parts for _, tensor in part.labels._tensors()]
    tensors += [value for o in trainer._optimizers for s in o.state.values() for n, value in s.items() if n != "step"]
    assert {tensor.device.type for tensor in tensors} == {kind}
    assert trainer.calibration(answers)["n"] >= 0
    rng = np.random.default_rng(1)
    episode = Episode("e", rng.normal(size=(11, 3)), rng.normal(size=(10, 2)))
    assert reward.rewards([episode])["reward"].shape == (10,)
    again, trainer_again, _ = fitted(device, loss, **options)
    again.load_state_dict(reward.state_dict())
    trainer_again.load_state_dict(trainer.state_dict())
    assert np.allclose(again.rewards([episode])["reward"], reward.rewards([episode])["reward"])


@pytest.mark.parametrize(("loss", "options"), LOSSES)
def test_a_fit_is_where_the_model_is(loss: str, options: dict[str, Any]) -> None:
    check_everything_is_on("cpu", loss, options)


@needs_gpu
@pytest.mark.parametrize(("loss", "options"), LOSSES)
def test_a_fit_is_where_the_model_is_on_a_gpu(loss: str, options: dict[str, Any]) -> None:
    check_everything_is_on("cuda", loss, options)


@needs_gpu
@pytest.mark.parametrize(
    "algo",
    [
        "{name: ppo, n_timesteps: 768, n_steps: 64, batch_size: 32, n_epochs: 2}",
        "{name: sac, n_timesteps: 512, buffer_size: 400, learning_starts: 50, batch_size: 32, policy_kwargs: {net_arch: [16]}}",
    ],
)
def test_a_whole_run_on_a_gpu(train: Callable[..., Any], algo: str, caplog: pytest.LogCaptureFixture) -> None:
    run = train(
        "gpu", "run.device=cuda", f"algo={algo}", "reward.augment={crop: 2}", "relabel.kl=0.01", "relabel.scale=false"
    )
    assert {p.device.type for member in run.reward.members for p in member.parameters()} == {"cuda"}
    assert run.learner().policy.network.device.type == "cuda"
    assert len(evaluate_run(run.folder, 1).true_return) == 1  # on the CPU, from the run folder alone
    assert caplog.messages.count(devices.PPO_ON_GPU) == ("ppo" in algo)
