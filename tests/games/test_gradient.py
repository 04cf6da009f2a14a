"""Nash-MD by sampled answers: the specification's numbers, what takes a gradient, and whom it plays against."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from prefrl.games.game import geometric_mixture
from prefrl.games.gradient import mixed_logp, nash_md_pg


def tensor(values: object, *, grad: bool = False) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=grad)


def test_the_vectors(v) -> None:
    logp, ref = tensor([[-1.0, -0.5]]), tensor([[-1.2, -0.4]])
    v.close(nash_md_pg(logp, ref, torch.ones_like(logp), tensor([0.7]), 0.1), "NASHMD-PG beta=.1 P=.7")
    mixed = mixed_logp(tensor([0.7, 0.2, 0.1]).log(), tensor([1 / 3] * 3).log(), 0.125).exp()
    v.close(mixed, "NASHMD.geomix c=.125 probs")
    np.testing.assert_allclose(geometric_mixture(np.array([0.7, 0.2, 0.1]), np.full(3, 1 / 3), 0.125), mixed.numpy())


def test_the_ratio_is_a_reward_and_takes_no_gradient() -> None:
    logp, ref = tensor([[-1.0, -0.5]], grad=True), tensor([[-1.2, -0.4]])
    nash_md_pg(logp, ref, torch.ones_like(logp), tensor([0.7]), 0.1).backward()
    assert logp.grad is not None
    np.testing.assert_allclose(logp.grad.numpy(), [[0.1 * 0.2 - 0.2, 0.1 * -0.1 - 0.2]])


def test_padding_neither_costs_nor_learns() -> None:
    logp, ref = tensor([[-1.0, -0.5, -9.0]], grad=True), tensor([[-1.2, -0.4, -1.0]])
    mask = tensor([[1.0, 1.0, 0.0]])
    loss = nash_md_pg(logp, ref, mask, tensor([0.7]), 0.1)
    short = nash_md_pg(logp[:, :2], ref[:, :2], mask[:, :2], tensor([0.7]), 0.1)
    assert loss.item() == pytest.approx(short.item())
    loss.backward()
    assert logp.grad is not None
    assert logp.grad[0, 2] == 0


def test_answers_that_win_become_likelier_and_those_that_lose_less_likely() -> None:
    logp = tensor([[-1.0], [-1.0], [-1.0]], grad=True)
    nash_md_pg(logp, logp.detach(), torch.ones_like(logp), tensor([0.9, 0.5, 0.1]), 0.1).backward()
    assert logp.grad is not None
    assert logp.grad.sign().ravel().tolist() == [-1, 0, 1]  # descended


@pytest.mark.parametrize(("share", "end"), [(0.0, "own"), (1.0, "reference")])
def test_the_mixture_goes_from_the_policy_to_the_reference(share: float, end: str) -> None:
    both = {"own": tensor([0.7, 0.2, 0.1]).log(), "reference": tensor([0.1, 0.1, 0.8]).log()}
    torch.testing.assert_close(mixed_logp(both["own"], both["reference"], share), both[end])
