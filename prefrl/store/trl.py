"""Answers about texts in, lines as TRL's trainers read them out; and back. What such lines cannot hold is counted.

    preference   {"prompt", "chosen", "rejected"[, "margin"]}     pairs; the margin is the answer's strength
    unpaired     {"prompt", "completion", "label"}                thumbs, one line per completion
    ranking      {"prompt", "completions", "ranks"}               rankings and ties, 0 best, -1 not ranked
    choice       {"prompt", "completions", "best"}                the best of several

TRL reads the first two (Hugging Face TRL, dataset formats); for the others it has no trainer, and we have.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefrl.errors import ConfigError, DataError
from prefrl.store.records import to_json
from prefrl.types import Binary, Choice, Preference, Query, Text, Tiers

# Never written: who answered, when, how, why and in which order items stood; the fields of `Preference` and `Query`.
LOST = (
    "id", "query_id", "source", "annotator", "group", "revision", "rationale", "shown_order", "seconds", "created", "why",
    "round", "question",
)  # fmt: skip
Line = dict[str, Any]


@dataclass(slots=True)
class Lines:
    """Lines by form, and how many answers could not be written, by reason."""

    lines: dict[str, list[Line]] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)

    def add(self, form: str, line: Line) -> None:
        self.lines.setdefault(form, []).append(line)


def to_lines(preferences: Iterable[Preference], queries: Mapping[str, Query]) -> Lines:
    """The current answers `preferences` to `queries` about texts."""
    found = Lines()
    for preference in preferences:
        query = queries[preference.query_id]
        texts = [item for item in query.items if isinstance(item, Text)]
        if preference.answer is None:
            found.lost["skips"] += 1
        elif len(texts) < len(query.items):
            found.lost["answers about clips, which are no texts"] += 1
        elif len({text.prompt for text in texts}) > 1:
            found.lost["answers about texts of several prompts"] += 1
        else:
            _write(found, preference, texts)
    return found


def _write(found: Lines, preference: Preference, texts: Sequence[Text]) -> None:
    prompt, completions = texts[0].prompt, [text.completion for text in texts]
    margin = {} if preference.strength is None else {"margin": preference.strength}
    match preference.answer:
        case Tiers(((first,), (second,))) if len(texts) == 2:
            line = {"prompt": prompt, "chosen": completions[first], "rejected": completions[second], **margin}
            found.add("preference", line)
        case Tiers():
            ranks = list(preference.answer.ranks(len(texts)))
            found.add("ranking", {"prompt": prompt, "completions": completions, "ranks": ranks, **margin})
        case Choice(best):
            found.add("choice", {"prompt": prompt, "completions": completions, "best": best, **margin})
        case Binary(values):
            for completion, value in zip(completions, values, strict=True):
                if value in (0.0, 1.0):
                    found.add("unpaired", {"prompt": prompt, "completion": completion, "label": value == 1.0})
                else:
                    found.lost["thumbs that are neither up nor down"] += 1
        case _:
            found.lost["grades and triplets"] += 1


def of_lines(lines: Iterable[Line], name: str, source: str = "trl") -> list[tuple[Query, Preference]]:
    """Questions and answers of any of the forms; DataError names the first line that is none."""
    read = []
    for number, line in enumerate(lines, 1):
        try:
            items, kind, answer = _read(line)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"line {number}: {error} in {sorted(line)}: TRL's lines hold prompt, chosen and rejected, or prompt, "
                "completion and label; ours also completions with ranks or best."
            ) from error
        query = Query.of(name, number, [Text(str(line["prompt"]), text) for text in items], kind=kind)
        margin = line.get("margin")
        strength = None if margin is None else float(margin)
        read.append((query, Preference.of(query, answer, source=source, strength=strength)))
    return read


def _read(line: Line) -> tuple[Sequence[str], Any, Any]:
    """Completions, kind of question and answer of one line."""
    if "chosen" in line:
        return (line["chosen"], line["rejected"]), "pair", Tiers(((0,), (1,)))
    if "completion" in line:
        return (line["completion"],), "binary", Binary((float(bool(line["label"])),))
    items = line["completions"]
    if "best" in line:
        return items, "choice", Choice(int(line["best"]))
    ranks = [int(rank) for rank in line["ranks"]]
    if len(ranks) != len(items):
        raise ValueError(f"{len(items)} completions with {len(ranks)} ranks")
    return items, "pair" if len(items) == 2 else "ranking", Tiers.of_ranks(ranks)


def write_lines(folder: Path, found: Lines) -> list[Path]:
    """One file per form, which is what a trainer takes, and lost.json."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for form, lines in found.lines.items():
        paths.append(folder / f"{form}.jsonl")
        paths[-1].write_text("".join(to_json(line) + "\n" for line in lines), encoding="utf-8")
    record = {"never_written": LOST, "answers_left_out": dict(found.lost)}
    (folder / "lost.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return paths


def read_lines(path: Path) -> list[Line]:
    """The lines of one file, or of every .jsonl of a folder in the order of their names."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    lines: list[Line] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{file} cannot be read: {error.strerror}.") from error
        for number, row in enumerate(text.splitlines(), 1):
            try:
                line = json.loads(row)
            except ValueError as error:
                raise DataError(f"{file}:{number} is no JSON ({error}).") from error
            if not isinstance(line, dict):
                raise DataError(f"{file}:{number} is no object.")
            lines.append(line)
    if not lines:
        raise ConfigError(f"{path}: there are no lines to read.")
    return lines
