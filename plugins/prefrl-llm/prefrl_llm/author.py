"""Reward texts and answers about what they made robots do in, a language model that writes better ones out.

As a reward model of a run it is reached by its registered name: a procedure takes `context.reward`, has it `propose` texts,
trains robots by them, and asks about `Text` items, or about `Candidate` items whose program is the text and whose clip shows
what came of it. `context.fit` then fits the author to the answers by any loss over log-probabilities.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prefrl.errors import ConfigError
from prefrl.losses import Scores
from prefrl.specs import BuildContext
from prefrl.types import Array, Candidate, Channels, Episode, Item, Text
from prefrl_llm.imitation import minimise
from prefrl_llm.language import Language, Tokens
from prefrl_llm.options import AuthorOptions, SftOptions


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """N texts as tokens, with the reference's log-probability of each token."""

    prompt: Tokens
    completion: Tokens
    reference: Tensor  # (N, C)
    lengths: Tensor  # (N,) tokens of the completions

    @property
    def mask(self) -> Tensor:
        """(N, C) bool: the tokens that exist."""
        return torch.arange(self.completion.ids.shape[1], device=self.lengths.device) < self.lengths.unsqueeze(1)


class AuthorScorer:
    """What the trainer fits: raw scores are log-probabilities of texts."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def parameters(self) -> Iterable[nn.Parameter]:
        weights: Iterable[nn.Parameter] = self._language.network.parameters()
        return weights

    def score(self, batch: Written, index: Tensor, steps: Tensor, scale: Tensor) -> Scores:
        there, rows = index >= 0, index.clamp(min=0).flatten()
        width = batch.completion.ids.shape[1]
        counted = torch.zeros((*index.shape, width + 1), device=index.device)
        counted.scatter_(2, torch.where(steps >= 0, steps, width), 1.0)  # the last column takes what is no step
        inside = (counted[..., :width] > 0) & batch.mask[rows].view(*index.shape, width) & there.unsqueeze(-1)
        share = inside * scale.unsqueeze(-1)
        said = self._language.log_probs(batch.prompt[rows], batch.completion[rows]).view(*index.shape, width)
        step, reference = said * share, batch.reference[rows].view(*index.shape, width) * share
        aux = {"length": share.sum(-1), "ref_logp": reference.sum(-1), "nll": -step.sum(-1)}
        return Scores(s=step.sum(-1), mask=there, step=step, step_mask=inside, aux=aux)


class Author:
    """The reward model `llm_author`. It pays robots nothing itself: the texts it writes do."""

    markov = True

    def __init__(self, options: AuthorOptions, context: BuildContext) -> None:
        self.version = 0
        self._options = options
        self._seed = int(context.rng("author").integers(2**31))
        self._drawn = 0  # calls of `propose`, each with a seed of its own
        words = [options.prompt, *options.examples]
        self.language = Language(options, words, self._seed, context.device, "reward")
        if options.examples and options.sft.updates:
            self._imitate(options.sft, context.rng("sft"))
        self.language.freeze()

    def _imitate(self, sft: SftOptions, rng: np.random.Generator) -> None:
        """Supervised learning of the examples, so that the reference can write what will be compared."""
        batch = self._tokens([self._options.prompt] * len(self._options.examples), self._options.examples)

        def loss(rows: Tensor) -> Tensor:
            return -self.language.log_probs(batch[0][rows], batch[1][rows]).sum(1).mean()

        minimise(self.language.network, loss, len(self._options.examples), sft, rng)

    # --- writing ---

    def propose(self, n: int, prompt: str | None = None) -> list[str]:
        """`n` texts, drawn as likely as they are; the same calls in the same order give the same texts."""
        self._drawn += 1
        network = self.language.network
        given = self.language.prompts([self._options.prompt if prompt is None else prompt], self._options.new_tokens)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(self._seed + self._drawn)
            said = network.generate(
                input_ids=given.ids, attention_mask=torch.ones_like(given.ids), do_sample=True, top_k=0, top_p=1.0,
                temperature=self._options.temperature, num_return_sequences=n,
                max_new_tokens=self._options.new_tokens, pad_token_id=self.language.tokenizer.eos_token_id,
            )  # fmt: skip
        texts: list[str] = self.language.tokenizer.batch_decode(said[:, given.ids.shape[1] :], skip_special_tokens=True)
        return texts

    # --- learning ---

    def scorers(self) -> Sequence[AuthorScorer]:
        return (AuthorScorer(self.language),)

    def collate(self, items: Sequence[Item]) -> Written:
        texts = [self._text(item) for item in items]
        prompt, completion = self._tokens([text.prompt for text in texts], [text.completion for text in texts])
        reference = self.language.log_probs(prompt, completion, reference=True)
        return Written(prompt, completion, reference, completion.length)

    def _text(self, item: Item) -> Text:
        if isinstance(item, Candidate):
            return Text(self._options.prompt, item.program)
        if isinstance(item, Text):
            return item
        raise ConfigError(
            "reward.model: 'llm_author' learns from answers about texts, and was given clips: take a procedure that writes "
            "rewards, or a reward model of clips such as ensemble."
        )

    def _tokens(self, prompts: Sequence[str], completions: Sequence[str]) -> tuple[Tokens, Tokens]:
        said = self.language.completions(completions)
        return self.language.prompts(prompts, said.ids.shape[1]), said

    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        """(1, N) by how much each text is likelier than under the reference."""
        batch = self.collate(items)
        with torch.no_grad():
            now = self.language.log_probs(batch.prompt, batch.completion)
        return np.asarray((now - batch.reference).sum(1).cpu().numpy())[None]

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        return {"reward": np.zeros(sum(map(len, episodes)))}

    def observe(self, episodes: Sequence[Episode]) -> None:
        """It reads texts."""

    def reset(self) -> None:
        """Back to the reference."""
        self.language.load_state_dict(self.language.state_dict(reference=True))

    def fitted(self) -> None:
        self.version += 1

    def state_dict(self) -> Mapping[str, Any]:
        return {"version": self.version, "drawn": self._drawn, "weights": self.language.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.version, self._drawn = state["version"], state["drawn"]
        self.language.load_state_dict(state["weights"])
