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

    pi_0 is the policy as it stood when the first reward of the run's own model was given: pretraining is free. For PPO
    pi is the policy that acted, by its recorded log-probability. A replay buffer holds steps of many policies; their
    density is taken under the policy as it is when they are labelled, because the critic is to value that one.
    """

    def __init__(self, beta: float) -> None:
        self.policy: Acting | None = None  # set by the learner
        self._beta = beta
        self._initial: Acting | None = None

    def costs(self, episodes: Sequence[Episode]) -> Array:
        """(N,) over the concatenated steps of `episodes`."""
        assert self.policy is not None, "the learner gives its policy"
        if self._initial is None:
            self._initial = self.policy.frozen()
        obs = np.concatenate([episode.obs[:-1] for episode in episodes])
        actions = np.concatenate([np.asarray(episode.policy_action) for episode in episodes])
        acted = [episode.log_prob for episode in episodes]
        if all(log_prob is not None for log_prob in acted):
            log_prob = np.concatenate([np.asarray(log_prob) for log_prob in acted])
        else:
            log_prob = self.policy.log_prob(obs, actions)
        return np.asarray(self._beta * (log_prob - self._initial.log_prob(obs, actions)))

    def state_dict(self) -> Mapping[str, Any]:
        return {"initial": self._initial.state_dict() if self._initial is not None else None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        assert self.policy is not None, "the learner gives its policy"
        if state["initial"] is not None:
            self._initial = self.policy.frozen()
            self._initial.load_state_dict(state["initial"])
