"""Texts in, their log-probabilities under a language model and under what it was before out.

The reference is the same network with its adapters off, or a frozen copy where all weights are learned.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prefrl.errors import ConfigError
from prefrl_llm import loading
from prefrl_llm.options import ModelOptions


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """N rows of token numbers, padded on the right."""

    ids: Tensor  # (N, L)
    length: Tensor  # (N,)

    def __getitem__(self, rows: Tensor) -> Tokens:
        return Tokens(self.ids[rows], self.length[rows])

    def to(self, device: torch.device | str) -> Tokens:
        return Tokens(self.ids.to(device), self.length.to(device))


def padded(rows: Sequence[Sequence[int]], filler: int) -> Tokens:
    """Rows of any length as one tensor."""
    length = torch.tensor([len(row) for row in rows])
    ids = torch.full((len(rows), max(map(len, rows), default=0)), filler)
    for row, tokens in zip(ids, rows, strict=True):
        row[: len(tokens)] = torch.tensor(tokens)
    return Tokens(ids, length)


def joined(prompt: Tokens, completion: Tokens) -> tuple[Tensor, Tensor]:
    """(N, L) ids of each prompt followed by its completion without a gap, and (N, L) which of them exist."""
    n, width = len(prompt.ids), prompt.ids.shape[1] + completion.ids.shape[1]
    ids = torch.zeros((n, width), dtype=torch.long, device=prompt.ids.device)
    ids[:, : prompt.ids.shape[1]] = prompt.ids
    place = prompt.length.unsqueeze(1) + torch.arange(completion.ids.shape[1], device=ids.device)
    ids.scatter_(1, place, completion.ids)
    there = torch.arange(width, device=ids.device) < (prompt.length + completion.length).unsqueeze(1)
    longest = int((prompt.length + completion.length).max()) if n else 0
    return ids[:, :longest], there[:, :longest]


class Language:
    """A causal language model in training, with the model it began as."""

    def __init__(self, options: ModelOptions, words: Sequence[str], seed: int, device: str, where: str) -> None:
        self.options, self._where, self._seed = options, where, seed
        model, self.tokenizer = loading.load(options, words, seed, where)
        self.network: Any = model.to(device)
        self.context: int = getattr(model.config, "max_position_embeddings", None) or 1_000_000
        self._keeps_few = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._copy: Any = None  # the reference where there are no adapters
        self._origin: Mapping[str, Tensor] = {}  # fresh adapters, to which a reset returns
        self._unlearned = _hash(model) if options.path is None else ""  # while it is this, nothing was learned
        if options.path is not None and options.lora is not None:
            self.network = loading.adapted(model, options, seed)

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    # --- tokens ---

    def completions(self, texts: Sequence[str]) -> Tokens:
        """Each followed by the token that ends a text."""
        rows = [[*self._encoded(text), self.tokenizer.eos_token_id] for text in texts]
        return padded(rows, self.tokenizer.eos_token_id).to(self.device)

    def prompts(self, texts: Sequence[str], room: int) -> Tokens:
        """As much of each as leaves `room` for a completion, cut on the left."""
        first = [] if self.tokenizer.bos_token_id is None else [self.tokenizer.bos_token_id]
        most = self.context - room - len(first)
        if most < 1:
            raise ConfigError(
                f"{self._where}: the model reads {self.context} tokens, and a completion alone has {room}; use shorter ones "
                f"or a model with a longer context."
            )
        rows = [[*first, *self._encoded(text)[-most:]] or [self.tokenizer.eos_token_id] for text in texts]
        return padded(rows, self.tokenizer.eos_token_id).to(self.device)

    def _encoded(self, text: str) -> list[int]:
        """Prompt and completion are encoded apart: no token may straddle the border."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    # --- scores ---

    def log_probs(self, prompt: Tokens, completion: Tokens, *, reference: bool = False) -> Tensor:
        """(N, C) log-probability of each token of the completions, 0 beyond their ends; in chunks where no graph is kept."""
        if torch.is_grad_enabled() and not reference:
            return self._log_probs(prompt, completion)
        rows = torch.split(torch.arange(len(prompt.ids), device=prompt.ids.device), self.options.chunk)
        with torch.no_grad(), self.as_reference(reference) as network:
            return torch.cat([self._log_probs(prompt[some], completion[some], network) for some in rows])

    def _log_probs(self, prompt: Tokens, completion: Tokens, network: Any = None) -> Tensor:
        ids, there = joined(prompt, completion)
        before = int(prompt.length.min()) - 1  # nothing further left predicts a token of a completion
        few = {"logits_to_keep": ids.shape[1] - before} if self._keeps_few else {}
        out = (network or self.network)(input_ids=ids, attention_mask=there.long(), use_cache=False, **few)
        logits = out.logits if self._keeps_few else out.logits[:, before:]
        offset = torch.arange(completion.ids.shape[1], device=ids.device)
        place = (prompt.length.unsqueeze(1) - 1 - before + offset).clamp_max(logits.shape[1] - 1)
        picked = logits.gather(1, place.unsqueeze(-1).expand(-1, -1, logits.shape[-1])).float()
        each = picked.gather(-1, completion.ids.unsqueeze(-1)).squeeze(-1) - picked.logsumexp(-1)
        return each.masked_fill(offset >= completion.length.unsqueeze(1), 0.0)

    # --- what it was before ---

    def freeze(self) -> None:
        """What it is now is the reference from now on: learned adapters are merged, and fresh ones begin.

        A model with random weights that has learned nothing yet is copied instead: adapters of random weights learn little.
        """
        if self.options.lora is None or (self._unlearned and self._unlearned == _hash(self.network)):
            self._copy = copy.deepcopy(self.network).requires_grad_(False)
            return
        self._copy = None
        base = self.network.merge_and_unload() if hasattr(self.network, "merge_and_unload") else self.network
        self.network = loading.adapted(base, self.options, self._seed)
        self._origin = {name: value.detach().clone() for name, value in self._adapters().items()}

    def _adapters(self) -> dict[str, Tensor]:
        return {name: value for name, value in self.network.named_parameters() if value.requires_grad}

    @contextmanager
    def as_reference(self, wanted: bool = True) -> Iterator[Any]:
        """The network, or what it was when it was frozen."""
        if not wanted:
            yield self.network
        elif self._copy is not None:
            yield self._copy
        else:
            with self.network.disable_adapter():
                yield self.network

    def fingerprint(self) -> str:
        """Of the reference and its tokenizer: log-probabilities kept under another one are of no use."""
        weights = _hash(self.network if self._copy is None else self._copy)
        marks = hashlib.sha256(repr(sorted(self.tokenizer.get_vocab().items())).encode()).hexdigest()
        return f"{weights}-{marks}"

    # --- state ---

    def state_dict(self, reference: bool = False) -> dict[str, Tensor]:
        """Of all weights; of a reference behind adapters, the adapters as they began."""
        if not reference:
            return dict(self.network.state_dict())
        return dict(self._origin) if self._copy is None else dict(self._copy.state_dict())

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """What is not in `state` stays."""
        self.network.load_state_dict(state, strict=False)

    def save(self, path: Path) -> None:
        """One zip that `algo.path` reads, and whose content `from_pretrained` does."""
        model = self.network
        if hasattr(model, "merge_and_unload"):
            model = copy.deepcopy(model).merge_and_unload()
        loading.save(model, self.tokenizer, path)


def _hash(network: Any) -> str:
    """Of its own weights, adapters left out."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if "lora_" not in name:
            digest.update(name.replace("base_layer.", "").encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
