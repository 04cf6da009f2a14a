"""Observations in, one of several named actions out: a language model is asked what comes next.

An action's score is the log-probability of its whole name after the prompt (GLAM; Carta et al. 2023, arXiv 2302.02662), so
that any causal model is a policy over a finite set, and answers about clips fit it as they fit any other (CPL, DPO).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefrl.errors import ConfigError
from prefrl.types import Array
from prefrl_llm.cache import ReferenceCache, keys_of
from prefrl_llm.language import Language, Tokens, joined
from prefrl_llm.prompts import Prompts

Inputs = Mapping[str, Tensor]  # "ids" (N, L) and "length" (N,) of the prompts


class TextPolicy:
    """The policy that learns, or what it was when it was frozen: the reference."""

    def __init__(
        self,
        language: Language,
        prompts: Prompts,
        names: Sequence[str],
        generator: torch.Generator,
        cache: ReferenceCache | None = None,
    ) -> None:
        self.language, self._prompts, self.names, self.generator = language, prompts, tuple(names), generator
        self._said = language.completions(self.names)
        self.cache = cache  # the reference's; None for the policy that learns
        self.reference: TextPolicy | None = None
        _tell_apart(self._said, self.names)

    def frozen(self) -> TextPolicy:
        """The reference: what it is now, while this one goes on learning."""
        self.language.freeze()
        cache = ReferenceCache(self.language.options.cache, self.language.fingerprint)
        self.reference = TextPolicy(self.language, self._prompts, self.names, self.generator, cache)
        return self.reference

    @property
    def network(self) -> torch.nn.Module:
        """Its weights."""
        network: torch.nn.Module = self.language.network
        return network

    # --- acting ---

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        scores = self.scores(obs)
        if deterministic:
            return np.asarray(scores.argmax(1).cpu().numpy())
        return np.asarray(torch.multinomial(scores.softmax(1).cpu(), 1, generator=self.generator).squeeze(1).numpy())

    @torch.no_grad()
    def scores(self, obs: Array) -> Tensor:
        """(N, A) log-probability of every action's name; equal prompts are read once."""
        texts = self._prompts.of(obs)
        place = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        prompt = self.language.prompts(list(place), self._said.ids.shape[1])
        rows = torch.arange(len(place), device=self.language.device).repeat_interleave(len(self.names))
        said = torch.arange(len(self.names), device=self.language.device).repeat(len(place))
        every = self._of(prompt[rows], self._said[said]).view(len(place), len(self.names))
        return every[[place[text] for text in texts]]

    def log_prob(self, obs: Array, action: Array) -> Array:
        with torch.no_grad():
            return np.asarray(self.log_density(self.inputs(obs), self.own_actions(action)).cpu().numpy())

    # --- as a differentiable function: what learning from answers needs ---

    def inputs(self, obs: Array) -> Inputs:
        """The prompts of (N, ...) recorded observations."""
        prompt = self.language.prompts(self._prompts.of(obs), self._said.ids.shape[1])
        return {"ids": prompt.ids, "length": prompt.length}

    def own_actions(self, action: Array) -> Tensor:
        """(N,) executed actions as places in `names`."""
        return torch.as_tensor(np.asarray(action), device=self.language.device).long().reshape(-1)

    def log_density(self, inputs: Inputs, actions: Tensor) -> Tensor:
        """(N,) log-probabilities of the actions' names: of all texts there are, not of these names alone."""
        return self._of(Tokens(inputs["ids"], inputs["length"]), self._said[actions])

    def _of(self, prompt: Tokens, completion: Tokens) -> Tensor:
        cache = self.cache
        if cache is None:
            return self.language.log_probs(prompt, completion).sum(1)
        keys = keys_of(*joined(prompt, completion))

        def new(rows: Tensor) -> Tensor:
            rows = rows.to(prompt.ids.device)
            return self.language.log_probs(prompt[rows], completion[rows], reference=True).sum(1)

        return cache.get(keys, new).to(prompt.ids.device)

    def observe(self, obs: Array) -> None:
        """Nothing is normalised: texts are made of raw observations."""

    # --- state ---

    def state_dict(self) -> dict[str, Tensor]:
        """Of all weights; of a reference, what a reset returns to."""
        return self.language.state_dict(reference=self.cache is not None)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Of a reference nothing is loaded: it is frozen anew from the model that the configuration names."""
        if self.cache is None:
            self.language.load_state_dict(state)

    def save(self, path: Path) -> None:
        """One zip: `algo.path` takes it, and what is in it is a folder of Hugging Face's."""
        self.language.save(path)
        if self.reference is not None and self.reference.cache is not None:
            self.reference.cache.write()


def _tell_apart(said: Tokens, names: Sequence[str]) -> None:
    """ConfigError if two names are the same tokens to this tokenizer."""
    seen: dict[tuple[int, ...], str] = {}
    for name, ids, length in zip(names, said.ids.tolist(), said.length.tolist(), strict=True):
        key = tuple(ids[:length])
        if key in seen:
            raise ConfigError(
                f"algo.tokenizer: it cannot tell action '{name}' from '{seen[key]}'; use the model's own, or other names."
            )
        seen[key] = name
