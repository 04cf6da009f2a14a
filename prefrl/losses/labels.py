"""Answers as tensors: `collate` turns stored preferences into `Labels`, one batch per kind of answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from prefrl.errors import BadAnswer, DataError, choices
from prefrl.types import Answer, Binary, Choice, Grades, Preference, Rationale, Tiers, Triplet


class Kind(StrEnum):
    """What was answered; the values are those of `Query.kind`. A rating is a grade."""

    PAIR = "pair"
    CHOICE = "choice"
    RANK = "ranking"
    GRADE = "grade"
    BINARY = "binary"
    SIMILARITY = "similarity"


LISTS = frozenset({Kind.PAIR, Kind.CHOICE, Kind.RANK, Kind.GRADE})  # kinds that order items


@dataclass(frozen=True, eq=False)
class Labels:
    """Answers of one kind to B queries of up to K items; a field that was not provided is None.

    Rank 0 is best, equal ranks are ties, -1 is an item that was not ranked; p = P(item 0 beats item 1), and for
    similarity P(item 1 is closer to item 0 than item 2 is). Weight 0 is a skip.
    """

    kind: Kind
    pref: Tensor | None = None  # (B,) in [0, 1]
    outcome: Tensor | None = None  # (B, 3) shares of (item 0 wins, item 1 wins, tie)
    rank: Tensor | None = None  # (B, K) int
    grade: Tensor | None = None  # (B, K) higher is better
    binary: Tensor | None = None  # (B, K) in [0, 1]
    margin: Tensor | None = None  # (B,) subtracted in the preferred direction; pairs and choices only
    weight: Tensor | None = None  # (B,) >= 0
    item_weight: Tensor | None = None  # (B, K) >= 0, of binary answers and grades
    group: Tensor | None = None  # (B,) int: user, objective or stratum
    factor: Tensor | None = (
        None  # (B,) int: the factor that decided, by its place among the reward model's; -1 not said
    )
    window: Tensor | None = None  # (B, 2) int: first step and one past the last of what decided; -1 not said
    votes: Tensor | None = None  # (B, E) s_0 - s_1 as E independent models see it; pairs only

    def take(self, index: Tensor) -> Labels:
        """The answers at rows `index` (M,)."""
        return Labels(self.kind, **{name: value[index] for name, value in self._tensors()})

    def to(self, device: torch.device | str) -> Labels:
        """The same answers on another device."""
        return Labels(self.kind, **{name: value.to(device) for name, value in self._tensors()})

    def keeping(self, rows: Tensor, original: Labels) -> Labels:
        """These labels with rows (B,) bool as they are in `original`; votes stay, they are no part of an answer."""
        fields: dict[str, Tensor] = {}
        for name, value in self._tensors():
            before = getattr(original, name)
            if before is None:  # not given: a weight of 1, no margin
                before = torch.ones_like(value) if name.endswith("weight") else torch.zeros_like(value)
            chosen = rows.view(-1, *[1] * (value.dim() - 1))
            fields[name] = value if name == "votes" else torch.where(chosen, before.to(value), value)
        return Labels(self.kind, **fields)

    def __len__(self) -> int:
        return len(next(value for _, value in self._tensors()))

    def weights(self, like: Tensor) -> Tensor:
        """(B,) weights, 1 where none were given, in the type of `like`."""
        return like.new_ones(len(self)) if self.weight is None else self.weight.to(like)

    def validate(self, k: int) -> Labels:
        """Return self if it is well formed for `k` items, else raise DataError; once per data set, not per batch."""
        required = {Kind.PAIR: "pref", Kind.SIMILARITY: "pref", Kind.BINARY: "binary", Kind.GRADE: "grade"}
        name = required.get(self.kind, "rank")
        if getattr(self, name) is None:
            raise DataError(f"labels of kind '{self.kind}' need `{name}`, which is missing")
        n = len(self)
        per_item = {"rank", "grade", "binary", "item_weight"}
        for field, value in self._tensors():
            shape = (n, k) if field in per_item else (n, *{"outcome": [3], "window": [2]}.get(field, []))
            if field != "votes" and tuple(value.shape) != shape:
                raise DataError(f"labels.{field} has shape {tuple(value.shape)}; {n} queries of {k} items need {shape}")
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise DataError(
                    f"labels.{field} holds NaN or infinity; give such an answer weight 0 and any finite value"
                )
        self._check_ranges()
        return self

    def _check_ranges(self) -> None:
        for field in ("pref", "outcome", "binary"):
            value = getattr(self, field)
            if value is not None and bool(((value < 0) | (value > 1)).any()):
                raise DataError(f"labels.{field} must lie in [0, 1]")
        for field in ("weight", "item_weight"):
            value = getattr(self, field)
            if value is not None and bool((value < 0).any()):
                raise DataError(f"labels.{field} must not be negative; 0 skips an answer")
        if self.outcome is not None:
            if bool(((self.outcome.sum(1) - 1).abs() > 1e-5).any()):
                raise DataError("labels.outcome must sum to 1 in each row: (item 0 wins, item 1 wins, tie)")
            if self.pref is not None and bool(((self.outcome @ self._worth() - self.pref).abs() > 1e-5).any()):
                raise DataError("labels.pref must equal outcome[:, 0] + outcome[:, 2] / 2: they contradict each other")
        if self.margin is not None and self.kind not in (Kind.PAIR, Kind.CHOICE):
            raise DataError(f"labels.margin belongs to pairs and choices, not to '{self.kind}'")

    def _worth(self) -> Tensor:
        assert self.outcome is not None
        return self.outcome.new_tensor([1.0, 0.0, 0.5])

    def _tensors(self) -> Iterable[tuple[str, Tensor]]:
        for field in dataclasses.fields(self)[1:]:
            value = getattr(self, field.name)
            if value is not None:
                yield field.name, value


def relevance(labels: Labels, mask: Tensor) -> tuple[Tensor, Tensor]:
    """How good each item is said to be (B, K), higher is better, and which items anything is said of (B, K) bool.

    Grades stand as they are; the ranks of a list become 1 (best) to 0 (worst); a chosen item has 1, the rest 0.
    """
    if labels.kind is Kind.PAIR:
        assert labels.pref is not None
        good = torch.zeros(mask.shape, dtype=labels.pref.dtype, device=mask.device)
        good[:, 0], good[:, 1] = labels.pref, 1 - labels.pref
        known = torch.zeros_like(mask)
        known[:, :2] = True
        return good, known & mask
    if labels.kind is Kind.GRADE:
        assert labels.grade is not None
        return labels.grade, mask
    assert labels.rank is not None
    known = mask & (labels.rank >= 0)
    worst = labels.rank.clamp_min(1).amax(1, keepdim=True)
    good = 1 - labels.rank.clamp_min(0) / worst
    if labels.kind is Kind.CHOICE:
        good = (labels.rank == 0).to(good)
    return good.masked_fill(~known, 0.0), known


def collate(
    preferences: Sequence[Preference],
    k: Sequence[int],
    weights: Sequence[float] | None = None,
    groups: Sequence[str] | None = None,
    factors: Sequence[str] = (),
) -> dict[Kind, tuple[Labels, Tensor]]:
    """Stored answers as tensors, by kind, each with the indices (M,) of its preferences in `preferences`.

    `k[n]` is the number of items of the query that preference n answers, `weights[n]` what its source counts for (1 if
    not given); rows are padded to the most items of their kind. A skip is a row of weight 0, of kind pair. `groups`
    lists the names that `Labels.group` indexes; without it the field stays empty. Strength becomes the margin of pairs
    and choices; of longer rankings it says nothing about any one pair and is left out. Rationales become `Labels.factor`,
    an index into `factors`, and `Labels.window`, where any answer gives one that can be used.
    """
    kinds: dict[Kind, list[int]] = {}
    for n, preference in enumerate(preferences):
        kinds.setdefault(_kind(preference, k[n]), []).append(n)
    collated: dict[Kind, tuple[Labels, Tensor]] = {}
    for kind, rows in kinds.items():
        width = max(k[n] for n in rows)
        answers = [preferences[n] for n in rows]
        common: dict[str, Tensor] = {
            "weight": torch.tensor(
                [
                    (1.0 if weights is None else float(weights[n])) if _says_something(preferences[n], k[n]) else 0.0
                    for n in rows
                ]
            )
        }
        if groups is not None:
            common["group"] = torch.tensor([_place(p, groups) for p in answers])
        if kind in (Kind.PAIR, Kind.CHOICE) and any(p.strength is not None for p in answers):
            common["margin"] = torch.tensor([p.strength or 0.0 for p in answers])
        common |= _reasons([p.rationale for p in answers], factors)
        fields = _fields(kind, answers, [k[n] for n in rows], width)
        collated[kind] = Labels(kind, **fields, **common).validate(width), torch.tensor(rows)
    return collated


def _reasons(rationales: Sequence[Rationale], factors: Sequence[str]) -> Mapping[str, Tensor]:
    """What decided each answer, as far as it was said; nothing where nobody said anything of use."""
    found: dict[str, Tensor] = {}
    if any(reason.factor in factors for reason in rationales):
        places = [factors.index(r.factor) if r.factor in factors else -1 for r in rationales]
        found["factor"] = torch.tensor(places)
    if any(reason.window is not None for reason in rationales):
        found["window"] = torch.tensor([r.window or (-1, -1) for r in rationales])
    return found


def _place(preference: Preference, groups: Sequence[str]) -> int:
    if preference.group not in groups:
        raise DataError(
            f"preference {preference.id[:12]} of source '{preference.source}' is of group '{preference.group}', which "
            f"`groups` does not list. {choices(preference.group, groups)}"
        )
    return groups.index(preference.group)


def kinds_of(preferences: Iterable[Preference]) -> frozenset[Kind]:
    """The kinds that `collate` will make of answers, without their queries; skips are of none."""
    return frozenset(
        _kind(preference, _fewest_items(preference.answer))
        for preference in preferences
        if preference.answer is not None
    )


def _fewest_items(answer: Answer) -> int:
    """How many items a query must have for `answer` to fit; two that were ranked are taken for a pair."""
    match answer:
        case Tiers(tiers):
            return max(2, 1 + max((item for tier in tiers for item in tier), default=0))
        case Choice(best):
            return best + 1
        case Triplet():
            return 3
        case Grades(values) | Binary(values):
            return len(values)


def _kind(preference: Preference, k: int) -> Kind:
    """Of which kind an answer about `k` items is; a BadAnswer if it cannot be about `k` items."""
    answer = preference.answer
    match answer:
        case None:
            return Kind.PAIR
        case Tiers(tiers):
            named = [item for tier in tiers for item in tier]
            fits, kind = (
                len(set(named)) == len(named) and all(0 <= i < k for i in named),
                Kind.PAIR if k == 2 else Kind.RANK,
            )
        case Grades(grades):
            fits, kind = len(grades) == k, Kind.GRADE
        case Binary(values):
            fits, kind = len(values) == k and all(0 <= v <= 1 for v in values), Kind.BINARY
        case Triplet():
            fits, kind = k == 3, Kind.SIMILARITY
        case Choice(best):
            fits, kind = 0 <= best < k, Kind.CHOICE
    if not fits:
        raise BadAnswer(
            f"preference {preference.id[:12]} of source '{preference.source}': {answer} does not fit a query of {k} items"
        )
    return kind


def _says_something(preference: Preference, k: int) -> bool:
    """False for a skip, and for a pair of which only one item was ranked."""
    answer = preference.answer
    return answer is not None and not (isinstance(answer, Tiers) and k == 2 and -1 in answer.ranks(2))


def _fields(kind: Kind, answers: Sequence[Preference], k: Sequence[int], width: int) -> Mapping[str, Tensor]:
    """The tensors of one kind; rows of skipped answers hold neutral values."""
    given = [p.answer for p in answers]
    if kind is Kind.PAIR:
        outcome = torch.tensor([_outcome(answer) for answer in given])
        return {"pref": outcome[:, 0] + outcome[:, 2] / 2, "outcome": outcome}
    if kind is Kind.SIMILARITY:
        return {"pref": torch.tensor([1.0 if isinstance(a, Triplet) and a.closer == 1 else 0.0 for a in given])}
    if kind in (Kind.RANK, Kind.CHOICE):
        return {"rank": torch.tensor([_padded(_ranks(a, n), width, -1) for a, n in zip(given, k, strict=True)])}
    values = torch.tensor([_padded(_numbers(a), width, 0.0) for a in given], dtype=torch.float32)
    present = torch.tensor([[float(i < n) for i in range(width)] for n in k])
    return {"grade" if kind is Kind.GRADE else "binary": values, "item_weight": present}


def _outcome(answer: object) -> tuple[float, float, float]:
    ranks = answer.ranks(2) if isinstance(answer, Tiers) else (0, 0)
    if ranks[0] == ranks[1]:
        return (0.0, 0.0, 1.0)
    return (1.0, 0.0, 0.0) if ranks[0] < ranks[1] else (0.0, 1.0, 0.0)


def _ranks(answer: object, k: int) -> tuple[int, ...]:
    if isinstance(answer, Tiers):
        return answer.ranks(k)
    assert isinstance(answer, Choice)
    return tuple(int(i != answer.best) for i in range(k))


def _numbers(answer: object) -> tuple[float, ...]:
    assert isinstance(answer, Grades | Binary)
    return answer.grades if isinstance(answer, Grades) else answer.values


def _padded(values: Sequence[float], width: int, filler: float) -> list[float]:
    return [*values, *[filler] * (width - len(values))]
