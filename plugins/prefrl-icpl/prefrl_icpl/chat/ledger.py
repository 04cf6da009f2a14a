"""Calls that are about to be made in, and what they came to; what was spent so far out, in a file that survives a kill."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from prefrl.errors import RunError
from prefrl_icpl.options import ChatOptions

OVERHEAD = 64  # tokens of a message's frame, generously
BYTES_PER_TOKEN = 2  # at least: text and code take three to four


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one call or of all."""

    tokens_in: int = 0
    tokens_out: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out)

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out

    def money(self, options: ChatOptions) -> float:
        """In the money of the prices."""
        return (self.tokens_in * options.price_in + self.tokens_out * options.price_out) / 1e6


def most(text: str, options: ChatOptions) -> Cost:
    """What a call with this prompt can cost at most."""
    return Cost(len(text.encode()) // BYTES_PER_TOKEN + OVERHEAD, options.max_tokens)


class Ledger:
    """Lines of {"call", "tokens_in", "tokens_out"}: the most a call can cost before it, what it did cost after it.

    The last line of a call counts. A call that nobody saw the end of stays at its most, so that a budget is never passed.
    """

    def __init__(self, path: Path, options: ChatOptions) -> None:
        self._path, self._options = path, options
        self._calls: dict[int, Cost] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.endswith("}"):  # a line that was cut off does not count: its call was not made
                    said = json.loads(line)
                    self._calls[said["call"]] = Cost(said["tokens_in"], said["tokens_out"])

    @property
    def spent(self) -> Cost:
        """By all calls."""
        return sum(self._calls.values(), Cost())

    def reserve(self, cost: Cost) -> int:
        """Make room for a call; its number. `RunError` if a budget does not allow it."""
        options, after = self._options, self.spent + cost
        cure = "Raise it in the run folder's config.yaml and resume; nothing is lost."
        if options.budget_tokens is not None and after.tokens > options.budget_tokens:
            raise RunError(
                f"procedure.chat.budget_tokens: {self.spent.tokens} of {options.budget_tokens} are spent, the next call may "
                f"take {cost.tokens}. {cure}"
            )
        if options.budget_money is not None and after.money(options) > options.budget_money:
            raise RunError(
                f"procedure.chat.budget_money: {self.spent.money(options):.4g} of {options.budget_money:g} is spent, the next "
                f"call may cost {cost.money(options):.4g}. {cure}"
            )
        call = max(self._calls, default=0) + 1
        self._write(call, cost)
        return call

    def settle(self, call: int, cost: Cost) -> None:
        """What the call did cost."""
        self._write(call, cost)

    def _write(self, call: int, cost: Cost) -> None:
        self._calls[call] = cost
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"call": call, "tokens_in": cost.tokens_in, "tokens_out": cost.tokens_out}) + "\n")
            file.flush()
            os.fsync(file.fileno())
