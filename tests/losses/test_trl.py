"""Value and gradient are those of Hugging Face's TRL wherever its formula is ours; where it is not, the reason stands here.

TRL's losses live inside trainers. Their own code is called, with a stand-in for the trainer and one for the model whose
log-probabilities per token are the random inputs.

Not compared, because no loss of ours has that formula: exo_pair, nca_pair, sppo_hard, aot, aot_unpaired, discopop (its
exponential part is unbounded), apo_zero and apo_down of the DPO trainer; apo_zero_unpaired of the KTO trainer; CPO with
AlphaPO. Compared and different on purpose: `cdpo` (see the test), and sft below.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from prefrl.losses import Kind, Labels, Scores, build_loss
from prefrl.plugins import PluginHost

B, LENGTH = 7, 12  # pairs, tokens of prompt and completion


@pytest.fixture(scope="module")
def trl() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third parties' deprecations, and that CPO and ORPO are experimental
        from trl.experimental.cpo import CPOTrainer
        from trl.experimental.orpo import ORPOTrainer
        from trl.trainer.dpo_trainer import DPOTrainer
        from trl.trainer.kto_trainer import KTOTrainer
        from trl.trainer.reward_trainer import RewardTrainer

        yield SimpleNamespace(DPO=DPOTrainer, CPO=CPOTrainer, ORPO=ORPOTrainer, KTO=KTOTrainer, Reward=RewardTrainer)


class Inputs:
    """Random log-probabilities per token of 2B completions, chosen ones first, as TRL lays them out."""

    def __init__(self, seed: int, dtype: torch.dtype = torch.float64) -> None:
        generator = torch.Generator().manual_seed(seed)
        n = 2 * B
        begin = torch.randint(1, 5, (n, 1), generator=generator)
        end = torch.randint(6, LENGTH + 1, (n, 1), generator=generator)
        place = torch.arange(LENGTH)
        self.mask = ((place >= begin) & (place < end)).long()
        self.token = (-2 * torch.rand((n, LENGTH - 1), generator=generator, dtype=dtype) - 0.05).requires_grad_()
        self.ref = (-10 * torch.rand(n, generator=generator, dtype=dtype)).chunk(2)

    @property
    def per_token(self) -> Tensor:
        return self.token * self.mask[:, 1:]

    @property
    def scores(self) -> Scores:
        """The same as our loss core takes them."""
        logp, length = self.per_token.sum(1), self.mask.sum(1)
        return Scores.of(
            torch.stack(logp.chunk(2), 1),
            ref_logp=torch.stack(self.ref, 1),
            length=torch.stack(length.chunk(2), 1).to(logp),
            nll=-torch.stack(logp.chunk(2), 1),
        )


def stand_in(**fields: Any) -> Any:
    """What TRL's methods read of a trainer."""
    same = SimpleNamespace(device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x)
    given = {
        "model": SimpleNamespace(training=False), "accelerator": same, "aux_loss_enabled": False, "ld_alpha": None,
        "precompute_ref_logps": True, "f_divergence_type": "reverse_kl", "f_alpha_divergence_coef": 0.5,
        "loss_weights": [1.0], "label_smoothing": 0.0, "use_weighting": False, "_total_train_tokens": 0, "_tp_size": 1,
        "_metrics": {"eval": defaultdict(list)}, "args": SimpleNamespace(center_rewards_coefficient=None),
    }  # fmt: skip
    return SimpleNamespace(**{**given, **fields})


def model_of(inputs: Inputs) -> Any:
    """A model that gives the random log-probabilities, whatever it reads."""
    zero = torch.zeros_like(inputs.token)
    out = SimpleNamespace(log_probs=inputs.per_token, entropy=zero, mean_logits=zero, is_top1=zero.bool())
    return lambda **_: out


def by_trl(trl: Any, inputs: Inputs, loss_type: str, **fields: Any) -> Tensor:
    trainer = stand_in(loss_types=[loss_type], beta=0.1, **fields)
    batch = {
        "input_ids": torch.zeros((2 * B, LENGTH), dtype=torch.long), "attention_mask": torch.ones((2 * B, LENGTH)),
        "completion_mask": inputs.mask, "ref_chosen_logps": inputs.ref[0], "ref_rejected_logps": inputs.ref[1],
    }  # fmt: skip
    loss: Tensor = trl.DPO._compute_loss(trainer, model_of(inputs), batch, False)
    return loss


def by_us(scores: Scores, name: str, options: dict[str, Any], labels: Labels | None = None) -> Tensor:
    specs = PluginHost.from_environment().specs("losses")
    loss = build_loss([(1.0, name, specs[name].options.model_validate(options))], specs)
    return loss(scores, labels or Labels(Kind.PAIR, pref=torch.ones(B, dtype=torch.float64))).loss


def equal(theirs: Tensor, ours: Tensor, leaf: Tensor, atol: float = 1e-6) -> None:
    """Value and gradient with respect to every token."""
    (a,), (b,) = (torch.autograd.grad(loss, [leaf], retain_graph=True) for loss in (theirs, ours))
    assert float((theirs - ours).detach().abs()) < atol
    assert float((a - b).abs().max()) < atol
    assert float(b.abs().max()) > 10 * atol


PAIRS = [
    ("sigmoid", {}, "dpo", {"beta": 0.1}),
    ("sigmoid_norm", {}, "dpo", {"beta": 0.1, "norm": "mean"}),
    ("hinge", {}, "dpo", {"beta": 0.1, "link": "hinge"}),
    ("ipo", {}, "ipo", {"tau": 0.1}),
    ("robust", {"label_smoothing": 0.2}, "rdpo", {"beta": 0.1, "link": {"robust": 0.2}}),
    ("bco_pair", {}, "bco", {"beta": 0.1}),
    ("sigmoid", {"f_divergence_type": "forward_kl"}, "fdpo", {"beta": 0.1, "divergence": "forward_kl"}),
    ("sigmoid", {"f_divergence_type": "js_divergence"}, "fdpo", {"beta": 0.1, "divergence": "jensen_shannon"}),
]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("theirs", "fields", "ours", "options"), PAIRS, ids=lambda value: str(value)[:40])
def test_pairs_are_judged_as_trl_judges_them(
    theirs: str, fields: dict[str, Any], ours: str, options: dict[str, Any], seed: int, trl: Any
) -> None:
    inputs = Inputs(seed)
    equal(by_trl(trl, inputs, theirs, **fields), by_us(inputs.scores, ours, options), inputs.token)


def test_the_alpha_divergence_is_trls_in_its_own_precision(trl: Any) -> None:
    """TRL computes it in float32 at most, so that the comparison is in float32 and relative."""
    inputs = Inputs(0, torch.float32)
    theirs = by_trl(trl, inputs, "sigmoid", f_divergence_type="alpha_divergence")
    ours = by_us(inputs.scores, "fdpo", {"beta": 0.1, "divergence": "alpha", "alpha": 0.5})
    equal(theirs, ours, inputs.token, atol=1e-6 * max(1.0, float(theirs.detach())))


def test_trl_drops_label_smoothing_where_ours_smooths(trl: Any) -> None:
    """`sigmoid` with `label_smoothing` was cDPO; TRL's code no longer reads it there, so that the option does nothing."""
    inputs = Inputs(0)
    assert torch.equal(by_trl(trl, inputs, "sigmoid", label_smoothing=0.1), by_trl(trl, inputs, "sigmoid"))
    smoothed = by_us(inputs.scores, "cdpo", {"beta": 0.1, "smoothing": 0.1})
    assert abs(float((smoothed - by_us(inputs.scores, "dpo", {"beta": 0.1})).detach())) > 1e-3


def test_likelihood_of_the_chosen_is_per_text_here_and_per_token_there(trl: Any) -> None:
    """TRL's `sft` means over all tokens of the batch, so that long texts count more; ours over texts. One text: equal."""
    inputs = Inputs(0)
    inputs.mask[:B] = inputs.mask[0]  # all of one length
    equal(by_trl(trl, inputs, "sft"), by_us(inputs.scores, "nll", {"norm": "mean"}), inputs.token)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_simpo_is_trls(smoothing: float, trl: Any) -> None:
    inputs = Inputs(3)
    average = inputs.per_token.sum(1) / inputs.mask.sum(1)
    trainer = stand_in(loss_type="simpo", alpha=0.0, beta=2.0, simpo_gamma=0.5, label_smoothing=smoothing)
    theirs = trl.CPO.cpo_loss(trainer, *average.chunk(2))[0].mean()
    if (
        smoothing
    ):  # ours subtracts the margin in the preferred direction of a turned answer too; TRL only turns the sign
        ours = by_us(inputs.scores, "simpo", {"beta": 2.0, "margin": 0.5, "smoothing": smoothing})
        assert abs(float((theirs - ours).detach())) > 1e-3
    else:
        equal(theirs, by_us(inputs.scores, "simpo", {"beta": 2.0, "margin": 0.5}), inputs.token)


def test_orpo_is_trls(trl: Any) -> None:
    """TRL's likelihood term is over prompt and completion per token of the batch; its odds ratio is compared."""
    inputs = Inputs(4)
    average = inputs.per_token.sum(1) / inputs.mask.sum(1)
    theirs = -trl.ORPO.odds_ratio_loss(stand_in(beta=0.1), *average.chunk(2))[0].mean()  # in float32
    scores = inputs.scores
    likelihood = by_us(scores, "nll", {"norm": "mean"})
    ours = by_us(scores, "orpo", {"coefficient": 0.1}) - likelihood
    equal(theirs.double(), ours, inputs.token, atol=1e-6)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.33, 0.7)])
def test_kto_is_trls(weights: tuple[float, float], trl: Any) -> None:
    inputs = Inputs(5)
    good = torch.arange(2 * B) % 3 > 0
    generator = torch.Generator().manual_seed(6)
    ref, kl, ref_kl = (-10 * torch.rand((3, 2 * B), generator=generator, dtype=torch.float64)).unbind()
    trainer = stand_in(
        loss_type="kto", beta=0.1, desirable_weight=weights[0], undesirable_weight=weights[1], calculate_KL=True,
        _compute_kl_logps=lambda model, batch: kl,
    )  # fmt: skip
    batch = {
        "input_ids": torch.zeros((2 * B, LENGTH), dtype=torch.long), "attention_mask": torch.ones((2 * B, LENGTH)),
        "completion_mask": inputs.mask, "label": good, "ref_logps": ref, "ref_KL_logps": ref_kl,
    }  # fmt: skip
    theirs = trl.KTO._compute_loss(trainer, model_of(inputs), batch, False)
    scores = Scores.of(inputs.per_token.sum(1, keepdim=True), ref_logp=ref.unsqueeze(1), kl_logratio=kl - ref_kl)
    options = {"beta": 0.1, "desirable": weights[0], "undesirable": weights[1]}
    labels = Labels(Kind.BINARY, binary=good.double().unsqueeze(1))
    equal(theirs, by_us(scores, "kto", options, labels), inputs.token)


@pytest.mark.parametrize("center", [None, 0.01])
@pytest.mark.parametrize("margin", [False, True])
def test_reward_models_are_fitted_as_trl_fits_them(center: float | None, margin: bool, trl: Any) -> None:
    generator = torch.Generator().manual_seed(7)
    leaf = torch.randn(2 * B, generator=generator, dtype=torch.float64, requires_grad=True)
    apart = torch.rand(B, generator=generator, dtype=torch.float64) if margin else None
    trainer = stand_in(args=SimpleNamespace(center_rewards_coefficient=center))
    batch = {"margin": apart} if margin else {}
    theirs = trl.Reward.compute_loss(trainer, lambda **_: SimpleNamespace(logits=leaf.unsqueeze(-1)), batch)
    labels = Labels(Kind.PAIR, pref=torch.ones(B, dtype=torch.float64), margin=apart)
    scores = Scores.of(torch.stack(leaf.chunk(2), 1))
    ours = by_us(scores, "bradley_terry", {}, labels)
    if center is not None:
        ours = ours + center * by_us(scores, "center", {}, labels)
    equal(theirs, ours, leaf)
