"""The conformance suite itself: what keeps its promises passes, what breaks one is told which."""

from types import SimpleNamespace

import torch

from prefrl.losses import Kind, Labels, PrefLoss, Scores
from prefrl.losses.registered import losses
from prefrl.options import NoOptions
from prefrl.testing.losses import PROMISES, check_loss


def test_a_loss_of_ours_keeps_every_promise():
    (record,) = [record for record in losses() if record["name"] == "plackett_luce"]
    spec = SimpleNamespace(**{"requires": frozenset(), "shift_invariant": True, "batch_coupled": False, **record})
    seen = check_loss(spec)
    assert len(seen) >= len(PROMISES)
    assert not any(seen.values())


def test_a_broken_loss_is_caught():
    """The suite itself: a loss that forgets weights and masks is told which promises it breaks."""

    class Forgetful(PrefLoss):
        kinds = frozenset({Kind.PAIR})

        def evaluate(self, scores, labels):
            row = torch.nn.functional.softplus(scores.s[:, 1] - scores.s[:, 0]) + scores.s.sum(1) / 1e3
            return self.reduced(row, torch.ones_like(row), lambda bag: None)

    spec = SimpleNamespace(
        name="x/forgetful", options=NoOptions, build=lambda options: Forgetful(), kinds={"pair"}, requires=frozenset(),
        shift_invariant=True, batch_coupled=False, vectors=[(Scores.of(torch.zeros(1, 2)), first_wins(), 0.5)],
    )  # fmt: skip
    broken = {promise.split(" ")[0] for promise, seen in check_loss(spec).items() if seen}
    assert broken == {
        "keeps_its_vectors", "ignores_skipped_queries", "is_zero_when_all_is_skipped", "ignores_the_order_of_items",
        "ignores_a_constant_if_declared",
    }  # fmt: skip


def first_wins():
    return Labels(Kind.PAIR, pref=torch.ones(1))
