"""What can be set of the language model, of what it reads and of how it is taught; no torch, no transformers."""

from __future__ import annotations

import string
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from prefrl.options import Options


class BuiltOptions(Options):
    """A model with random weights, for trying the way: it knows no language before it is taught some."""

    architecture: Literal["gpt2", "llama"] = "gpt2"
    layers: int = Field(2, ge=1)
    width: int = Field(64, ge=8)
    heads: int = Field(2, ge=1)
    context: int = Field(128, ge=8, description="tokens of prompt and completion together")
    vocabulary: int = Field(
        384, ge=260, description="tokens at most: 256 bytes, 4 marks, and pieces of the run's own words"
    )

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.width % self.heads or (self.architecture == "llama" and self.width // self.heads % 2):
            raise ValueError(f"width {self.width} does not divide into {self.heads} heads of even width")
        return self


class LoraOptions(Options):
    """Low-rank adapters beside frozen weights (Hu et al. 2021, arXiv 2106.09685)."""

    rank: int = Field(8, ge=1)
    alpha: float = Field(16.0, gt=0)
    modules: tuple[str, ...] = Field((), description="layers that get one; none named: every linear layer but the last")


class ModelOptions(Options):
    """Which language model, and which of its weights are learned."""

    path: str | None = Field(
        None, description="folder of a Hugging Face causal model, or of a run of ours; null: one is built, see `built`"
    )
    tokenizer: str | None = Field(None, description="folder; null: the model's own")
    built: BuiltOptions = BuiltOptions()
    lora: LoraOptions | None = Field(
        LoraOptions(), description="null: all weights are learned, and a frozen copy is the reference"
    )
    chunk: int = Field(256, ge=1, description="texts per pass where nothing is learned")
    cache: str | None = Field(None, description="file that keeps the reference's log-probabilities from run to run")


class Number(Options):
    """An entry of the observation as a number."""

    entry: int = Field(ge=0)
    decimals: int = Field(1, ge=0, le=6)


class Named(Options):
    """An entry of the observation as one of several words: the first below the first edge, the last above the last."""

    entry: int = Field(ge=0)
    edges: tuple[float, ...] = Field(min_length=1)
    words: tuple[str, ...]

    @model_validator(mode="after")
    def _a_word_between_edges(self) -> Self:
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("edges must rise")
        if len(self.words) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges part {len(self.edges) + 1} words, not {len(self.words)}")
        return self


class LearnerOptions(ModelOptions):
    """What the selector reads and says."""

    prompt: str | None = Field(
        None, description="text with {names} that `describe` explains; null: every entry of the observation as a number"
    )
    describe: dict[str, Number | Named] = Field({}, description="name in the prompt -> how an entry is put into words")
    actions: tuple[str, ...] = Field((), description="what each action is called; none: as the environment calls them")

    @model_validator(mode="after")
    def _every_name_once(self) -> Self:
        try:
            wanted = {name for _, name, _, _ in string.Formatter().parse(self.prompt or "") if name is not None}
        except ValueError as error:
            raise ValueError(f"prompt: {error}; a brace itself is written twice, {{{{ or }}}}") from error
        if self.prompt is not None and wanted != set(self.describe):
            odd = sorted(wanted ^ set(self.describe))
            raise ValueError(f"prompt and describe name different things: {', '.join(odd)}")
        if self.prompt is None and self.describe:
            raise ValueError("describe explains names of a prompt: give one")
        return self


class SftOptions(Options):
    """Supervised learning first, so that the reference can say everything that will be compared."""

    updates: int = Field(300, ge=0)
    episodes: int = Field(100, ge=1, description="of uniformly random actions, which are what is imitated")
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(1e-3, gt=0)


class HeldOutOptions(Options):
    """Starts that no question was about, where the policy plays against its reference at the end."""

    kwargs: dict[str, Any] = Field(
        {}, description="arguments of the environment that differ there, merged with its own"
    )
    episodes: int = Field(100, ge=1)


class SameStartOptions(Options):
    """Attempts from the same start are compared, as completions of one prompt are."""

    sft: SftOptions = SftOptions()
    held_out: HeldOutOptions = HeldOutOptions()


class AuthorOptions(ModelOptions):
    """A writer of reward texts."""

    prompt: str = Field("reward:", description="what it is asked, where an item brings no prompt of its own")
    examples: tuple[str, ...] = Field((), description="texts that it learns to write before it is compared")
    sft: SftOptions = SftOptions()
    new_tokens: int = Field(64, ge=1, description="of one text, at most")
    temperature: float = Field(1.0, gt=0)
