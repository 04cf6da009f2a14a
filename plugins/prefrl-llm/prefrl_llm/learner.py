"""A language model as a learner of prefrl: it acts, is fitted to answers, and is saved as Hugging Face's models are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.logger import configure

from prefrl.errors import ConfigError
from prefrl.specs import LearnerContext
from prefrl_llm.language import Language
from prefrl_llm.options import LearnerOptions
from prefrl_llm.policy import TextPolicy
from prefrl_llm.prompts import Prompts


class LanguageLearner:
    """The learner handle. No reward teaches it: `reward.model: policy` makes its own log-probabilities what is fitted."""

    steps = 0
    updates = 0

    def __init__(self, options: LearnerOptions, context: LearnerContext) -> None:
        env = context.env
        info = env.recording.env
        prompts = Prompts(options, int(np.prod(info.obs_shape)), info.observations)
        names = action_names(options, env)
        words = [*prompts.examples(), *names]
        language = Language(options, words, context.seed, context.device, "algo")
        generator = torch.Generator().manual_seed(context.seed)
        self.policy = TextPolicy(language, prompts, names, generator)
        self._logger = configure(str(context.folder), ["csv", "json"])
        self._lines = 0

    def advance(self, steps: int) -> None:
        raise ConfigError(
            "algo.name: 'llm' learns from answers and not from reward: take procedure same_start or offline with "
            "reward: {model: policy, log_prob: density}, or an algorithm such as ppo."
        )

    explore = advance

    def log(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._logger.record(name, value)
        self._logger.dump(self._lines)
        self._lines += 1

    def close(self) -> None:
        self._logger.close()

    def save(self, path: Path) -> None:
        self.policy.save(path)

    def state_dict(self) -> Mapping[str, Any]:
        return {"policy": self.policy.state_dict(), "generator": self.policy.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.policy.load_state_dict(state["policy"])
        self.policy.generator.set_state(state["generator"])


def action_names(options: LearnerOptions, env: Any) -> Sequence[str]:
    """What each action of the environment is called: by the options, else by the environment's own metadata."""
    space = env.action_space
    if not isinstance(space, spaces.Discrete):
        raise ConfigError(
            f"algo.name: 'llm' picks among named actions, and this environment has {type(space).__name__} actions; wrap "
            f"skills around it (prefrl_llm.skills:Skills-v0)."
        )
    metadata = env.get_attr("metadata")[0]
    names = options.actions or tuple(metadata.get("prefrl", {}).get("actions", ()))
    if len(names) != space.n:
        raise ConfigError(
            f"algo.actions: {len(names)} names for {space.n} actions{': ' + ', '.join(names) if names else ''}; name each "
            f"of them, in their order."
        )
    return names
