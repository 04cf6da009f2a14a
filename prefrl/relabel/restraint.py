"""A policy and its initial self in, what departing from it costs at each step out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from prefrl.types import Array, Episode


class Acting(Protocol):
    """A policy in training that can leave a copy of itself behind."""

    def log_prob(self, obs: Array, action: Array) -> Array: ...
    def frozen(self) -> Acting: ...
    def state_dict(self) -> Mapping[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Restraint:
    """beta * (log pi(a|s) - log pi_0(a|s)) per step (Stiennon et al. 2020, learning to summarize, 2.3 and 3.4).

    pi_0 is the policy as it stood when the first reward of the run's own model was given: pretraining is free. The first
    half is the recorded log-probability of the policy that acted, or nothing where the learner itself is charged
    beta * log pi for what its current policy does, as SAC's entropy coefficient does: a replay buffer holds actions of
    other policies, and the second half is true of them whoever took them.
    """

    def __init__(self, beta: float) -> None:
        self.beta = beta
        self._policy: Acting | None = None
        self._initial: Acting | None = None
        self._recorded = True

    def hold(self, policy: Acting, *, recorded: bool) -> None:
        """`policy` is the one in training; `recorded` says whether its log-probabilities are taken from the recording."""
        self._policy, self._recorded = policy, recorded

    def costs(self, episodes: Sequence[Episode]) -> Array:
        """(N,) over the concatenated steps of `episodes`."""
        assert self._policy is not None, "the learner gives its policy"
        if self._initial is None:
            self._initial = self._policy.frozen()
        obs = np.concatenate([episode.obs[:-1] for episode in episodes])
        actions = np.concatenate([np.asarray(episode.policy_action) for episode in episodes])
        cost = -self._initial.log_prob(obs, actions)
        if self._recorded:
            cost = cost + np.concatenate([np.asarray(episode.log_prob) for episode in episodes])
        return np.asarray(self.beta * cost)

    def state_dict(self) -> Mapping[str, Any]:
        return {"initial": self._initial.state_dict() if self._initial is not None else None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        assert self._policy is not None, "the learner gives its policy"
        if state["initial"] is not None:
            self._initial = self._policy.frozen()
            self._initial.load_state_dict(state["initial"])
