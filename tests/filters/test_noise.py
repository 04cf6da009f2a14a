"""On separable answers of which some are wrong, the filters find most of the wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from prefrl.filters.options import RimeOptions, VotesOptions
from prefrl.filters.rime import Rime, costs
from prefrl.filters.votes import Votes
from prefrl.fit import Answers, Part, Trainer
from prefrl.losses import Kind, Labels
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build
from prefrl.rewards.batch import SegmentBatch
from prefrl.rewards.ensemble import Ensemble
from prefrl.rewards.options import EnsembleOptions
from prefrl.settings import FitSettings
from prefrl.specs import BuildContext, FilterContext
from prefrl.types import EnvInfo

CONTEXT = BuildContext(run="run", name="filter", seed=0, env=EnvInfo("Toy-v0", (2,), (1,)))


class Keeping:
    """Keeps what a filter was last shown and made of it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def apply(self, labels: Labels, context: FilterContext) -> Labels:
        self.given, self.context = labels, context
        self.made = self.inner.apply(labels, context)
        return self.made

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Any) -> None: ...


def noisy(n: int, flipped: float, seed: int) -> tuple[Answers, torch.Tensor]:
    """Pairs of single steps that a linear reward tells apart, and which of their answers are wrong."""
    rng = np.random.default_rng(seed)
    inputs = np.concatenate([rng.normal(size=(2 * n, 2)), np.zeros((2 * n, 1))], axis=1)
    better = (inputs[::2] - inputs[1::2]) @ [1.0, -2.0, 0.0] > 0
    wrong = rng.permutation(n) < flipped * n
    batch = SegmentBatch(
        torch.tensor(inputs, dtype=torch.float32).unsqueeze(1),
        torch.ones(2 * n, 1, dtype=torch.bool),
        torch.ones(2 * n, dtype=torch.long),
    )
    labels = Labels(Kind.PAIR, pref=torch.tensor(better ^ wrong, dtype=torch.float32))
    part = Part(labels, torch.arange(2 * n).reshape(n, 2), torch.zeros(n, dtype=torch.bool))
    return Answers(batch, batch.lengths, (part,)), torch.tensor(wrong)


def fitted(answers: Answers, inner: Any, **label_tf: Any) -> Keeping:
    reward = Ensemble(EnsembleOptions(members=3, hidden=(), output="linear"), CONTEXT)
    settings = FitSettings(
        epochs=30, learning_rate=0.05, stop_accuracy=1.0, validation=0.0, refilter=label_tf.pop("refilter", None)
    )
    keeping = Keeping(inner)
    Trainer(reward, build(BradleyTerryOptions(**label_tf)), settings, [], [keeping], seed=0).fit(answers, 1, 0)
    return keeping


def test_rime_trusts_the_right_ones() -> None:
    answers, wrong = noisy(200, 0.3, seed=0)
    seen = fitted(answers, Rime(RimeOptions(), CONTEXT), refilter=1)
    cost, made = costs(seen.given, seen.context), seen.made
    assert made.weight is not None
    assert made.pref is not None
    assert seen.given.pref is not None
    trusted = (made.weight > 0) & (made.pref == seen.given.pref)
    assert (~wrong)[trusted].float().mean() >= 0.9
    assert (cost[wrong] > cost[trusted].median()).float().mean() >= 0.8
    turned = made.pref != seen.given.pref
    assert wrong[turned].all()


def test_votes_by_models_that_never_saw_an_answer_tell_the_wrong_ones() -> None:
    answers, wrong = noisy(200, 0.2, seed=1)
    made = fitted(answers, Votes(VotesOptions(folds=4), CONTEXT)).made
    assert made.votes is not None
    assert made.pref is not None
    against = -(2 * made.pref - 1) * made.votes.mean(1)
    above = against[wrong].unsqueeze(1) > against[~wrong]
    assert above.float().mean() > 0.8  # area under the curve
