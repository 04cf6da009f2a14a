"""What can be set of the procedure, of access to a language model, of the source and of the reward models."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from prefrl.options import Options

Tier = Literal["strict", "seccomp", "trust"]


class ConfinedOptions(Options):
    """How programs are run."""

    sandbox: Tier = Field(
        "strict",
        description="how programs are confined: with namespaces; without them (seccomp); or hardly, as code that you would "
        "run yourself (trust). Nothing weaker than this is ever used",
    )
    seconds: float = Field(10.0, gt=0, le=600, description="a program may take for one batch of steps")
    privileged: bool = Field(
        False, description="programs may use factors that give the designed reward away; reports say so"
    )


class ChatOptions(Options):
    """Access to a language model."""

    mode: Literal["server", "replay", "manual"] = Field(
        "server",
        description="ask an OpenAI-compatible server; take replies recorded before; or write prompts to a folder and read "
        "replies from it, for those who have a chat window and no key",
    )
    model: str | None = Field(None, description="the server's name of the model")
    base_url: str = Field(
        "https://api.openai.com/v1",
        description="of the server: vLLM, llama.cpp, Ollama (http://localhost:11434/v1) and hosted ones",
    )
    folder: Path | None = Field(
        None,
        description="replay: where recorded replies lie, e.g. runs/<name>/icpl/replies; manual: where prompts are written and "
        "replies read; null: icpl/manual in the run folder",
    )
    any_prompt: bool = Field(
        False,
        description="replay: take a reply although it was given to another prompt, as on a machine that rounds differently",
    )
    wait: bool = Field(True, description="manual: wait for replies; false: stop where one is missing")
    temperature: float = Field(1.0, ge=0, le=2)
    max_tokens: int = Field(4096, ge=1, description="of a reply")
    timeout: float = Field(180.0, gt=0, description="seconds without a sign of the server")
    attempts: int = Field(5, ge=1, description="at one reply, before the run stops; nothing is lost")
    budget_tokens: int | None = Field(
        1_000_000, ge=1, description="checked before each call, by the most it can cost; null: none"
    )
    budget_money: float | None = Field(None, ge=0, description="in the money of the prices; null: none")
    price_in: float = Field(0.0, ge=0, description="of a million prompt tokens")
    price_out: float = Field(0.0, ge=0, description="of a million reply tokens")

    @model_validator(mode="after")
    def _replay_has_a_folder(self) -> Self:
        if self.mode == "replay" and self.folder is None:
            raise ValueError("mode replay needs a folder of recorded replies, e.g. runs/<name>/icpl/replies")
        return self


class IcplOptions(ConfinedOptions):
    """ICPL (arXiv 2410.17233); `feedback.items` must be `candidates`, and each policy learns for `algo.n_timesteps`."""

    candidates: int = Field(6, ge=2, le=26, description="programs per round, each resampled until it runs")
    rounds: int = Field(5, ge=1)
    processes: int = Field(2, ge=1, description="policies trained at a time")
    tries: int = Field(5, ge=1, description="replies per candidate before the run stops")
    choose: Literal["answers", "task_score"] = Field(
        "answers",
        description="who ranks: the sources, or the true score as in Eureka (privileged, for comparison only)",
    )
    feedback: bool = Field(True, description="later prompts hold what came of earlier programs; false: open loop")
    traces: bool = Field(True, description="prompts hold how each component of the reward went during training")
    differences: bool = Field(True, description="prompts hold what changed from one best program to the next")
    elitism: bool = Field(True, description="the best program so far is ranked again in each later round")
    code: bool = Field(True, description="prompts hold the task's step code, without all that concerns reward")
    task: str | None = Field(None, description="what the robot should do, in words; null: as the task says it")
    chat: ChatOptions = ChatOptions()


class ProgramOptions(ConfinedOptions):
    """One program as the reward."""

    file: Path = Field(description="Python text that defines reward(obs, action, next_obs, factors)")


class ProgramsOptions(ConfinedOptions):
    """Programs of an ICPL run."""

    run: Path = Field(description="folder of a run with procedure icpl")
    programs: int = Field(1, ge=1, le=64, description="how many of its programs, the best first")


class BasisOptions(ProgramsOptions):
    """A weighted sum of programs."""

    programs: int = Field(6, ge=1, le=64, description="how many of the run's programs, the best first")
