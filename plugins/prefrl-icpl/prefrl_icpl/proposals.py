"""A prompt in, a program that runs out: replies are asked for until one can be used, and every other one is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prefrl.errors import RunError
from prefrl.sandbox import ProgramFault, tried
from prefrl.types import EnvInfo, Episode
from prefrl_icpl import prompts
from prefrl_icpl.chat.conversation import Conversation
from prefrl_icpl.options import IcplOptions
from prefrl_icpl.program import read_fault
from prefrl_icpl.prompts import Message
from prefrl_icpl.running import Runner
from prefrl_icpl.training import Workshop

TRIED_STEPS = 256  # of the policy before it learns: what each program is tried on


@dataclass(frozen=True, slots=True)
class Proposal:
    """A program that runs: `name` is the place of the reply it came from."""

    name: str
    text: str
    file: Path


class Proposals:
    """Asks, tries, keeps. Everything it does is done again by a resumed run, from what is kept, without asking anybody."""

    def __init__(
        self, folder: Path, options: IcplOptions, env: EnvInfo, steps: Sequence[Episode], workshop: Workshop
    ) -> None:
        self._folder, self._options, self._env, self._steps = folder, options, env, steps
        self._workshop = workshop
        self._faults: dict[str, ProgramFault | None] = {}  # of what was tried in this process
        self.conversation = Conversation(folder, options.chat)
        for name in ("programs", "discarded"):
            (folder / name).mkdir(exist_ok=True)

    def proposal(self, number: int, letter: str, messages: Sequence[Message]) -> Proposal:
        """Of one candidate of a round; `RunError` after too many replies that cannot be used."""
        fault: ProgramFault | None = None
        for attempt in range(self._options.tries):
            place = f"round-{number}-{letter}" + (f"-again-{attempt}" if attempt else "")
            reply = self.conversation.ask(place, place if attempt else f"round-{number}", messages)
            try:
                text = prompts.program_of(reply)
                fault = self._fault(place, text)
            except ProgramFault as missing:
                text, fault = reply, missing
            if fault is None:
                file = self._folder / "programs" / f"{place}.py"
                file.write_text(text, encoding="utf-8")
                return Proposal(place, text, file)
            self._discard(place, text, fault)
            messages = prompts.again(messages, reply, str(fault))
        raise RunError(
            f"None of {self._options.tries} replies for candidate {letter} of round {number} can be used (the last: {fault}) "
            f"They are kept in {self._folder / 'discarded'}; raise procedure.tries and resume, or try another model."
        )

    def usable(self, name: str) -> bool:
        """Whether its training found nothing wrong with it."""
        return read_fault(self._workshop.run_of(name)) is None

    def _fault(self, place: str, text: str) -> ProgramFault | None:
        """Why it cannot be used: as it is tried now, or as its training found out."""
        found = read_fault(self._workshop.run_of(place))
        if found is None and place not in self._faults:
            self._faults[place] = self._tried(text)
        return found or self._faults[place]

    def _tried(self, text: str) -> ProgramFault | None:
        try:
            runner = Runner(text, self._env, self._options)
        except ProgramFault as fault:
            return fault
        try:
            batch = {name: values[:TRIED_STEPS] for name, values in runner.batch(self._steps).items()}
            tried(runner.box, batch, np.random.default_rng(0))
        except ProgramFault as fault:
            return fault
        finally:
            runner.close()
        return None

    def _discard(self, place: str, text: str, fault: ProgramFault) -> None:
        kept: Mapping[str, object] = {"place": place, "kind": fault.kind, "fault": str(fault), "text": text}
        (self._folder / "discarded" / f"{place}.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")
