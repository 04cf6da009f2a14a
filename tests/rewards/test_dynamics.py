from __future__ import annotations

import numpy as np
import pytest
import torch

from prefrl.rewards.dynamics import Dynamics, EncodedMember
from prefrl.rewards.options import DynamicsOptions
from prefrl.specs import BuildContext
from prefrl.types import EnvInfo, Episode

ENV = EnvInfo("Toy-v0", (3,), (2,))
CONTEXT = BuildContext(run="run", name="reward", seed=0, env=ENV)
MATRIX = np.random.default_rng(9).normal(size=(5, 3))


def episode(steps: int, seed: int = 0) -> Episode:
    """Next states are a fixed function of state and action."""
    rng = np.random.default_rng(seed)
    obs, action = np.zeros((steps + 1, 3), np.float32), rng.normal(size=(steps, 2)).astype(np.float32)
    for t in range(steps):
        obs[t + 1] = np.tanh(np.concatenate([obs[t], action[t]]) @ MATRIX)
    return Episode("e", obs, action)


def model(**options: object) -> Dynamics:
    return Dynamics(
        DynamicsOptions.model_validate({"members": 2, "hidden": (32,), "state": 6, "action": 4, **options}), CONTEXT
    )


@pytest.mark.parametrize(("objective", "before", "after"), [("distillation", -0.5, -0.8), ("contrastive", 3.6, 3.4)])
def test_encoders_learn_what_steps_lead_to(objective: str, before: float, after: float) -> None:
    reward = model(objective=objective, updates=150, batch_size=64)
    reward.observe([episode(400)])
    assert reward.losses[0] > before
    assert np.mean(reward.losses[-10:]) < after


def test_next_states_embeddings_are_told_not_moved() -> None:
    member = model(updates=0).members[0]
    assert isinstance(member, EncodedMember)
    member.consistency(torch.randn(8, 5), torch.randn(8, 3), None).backward()
    moved = member.state.weight.grad
    member.zero_grad()
    # with the input's state erased, nothing but the target could move the state's encoder
    inputs = torch.randn(8, 5)
    inputs[:, :3] = 0.0
    member.consistency(inputs, torch.randn(8, 3), None).backward()
    assert moved is not None
    assert member.state.weight.grad is not None
    assert moved.abs().max() > 0
    assert member.state.weight.grad.abs().max() == 0


def test_observing_twice_gives_the_same_encoders_and_no_updates_leave_them_alone() -> None:
    first, second, still = model(updates=5), model(updates=5), model(updates=0)
    fresh = model(updates=0)
    for one in (first, second, still):
        one.observe([episode(100)])
    a, b = first.members[1].state_dict(), second.members[1].state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    weights = fresh.members[0].state_dict()
    kept = still.members[0].state_dict()
    assert all(torch.equal(weights[name], kept[name]) for name in weights if name not in {"mean", "std"})
    restored = model(updates=5)
    restored.load_state_dict(first.state_dict())
    assert np.array_equal(restored.rewards([episode(10)])["reward"], first.rewards([episode(10)])["reward"])
