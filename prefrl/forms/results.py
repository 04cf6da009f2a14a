"""An answer in, the result that Label Studio's controls give out; and back, also from its Pairwise and Ranker templates.

order       Choices   which of two is better, or neither
ranking     Ranker    tiers as buckets, the best first; what stands in none was not ranked
best        Choices   the best of several
grade-<i>   Number    of item i, from 1
thumb-<i>   Number    of item i, from 0 to 1
closer      Choices   which of items 2 and 3 resembles item 1 more
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prefrl.types import Answer, Binary, Choice, Grades, Tiers, Triplet

Result = dict[str, Any]
ORDERS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "the first": ((0,), (1,)), "the second": ((1,), (0,)), "equally good": ((0, 1),),
}  # fmt: skip
SIDES: Mapping[str, tuple[tuple[int, ...], ...]] = {"left": ((0,), (1,)), "right": ((1,), (0,))}
_CONTROLS = {
    "pair": "order", "ranking": "ranking", "choice": "best", "grade": "grade", "binary": "thumb", "similarity": "closer",
}  # fmt: skip
_LIST = "clips"  # the object that all controls are about


def control(kind: str) -> str:
    """The control that asks what a question of `kind` asks."""
    return _CONTROLS[kind]


def result_of(answer: Answer, k: int) -> list[Result]:
    """Results for a question about `k` items, which the list on the page calls 1, 2, ..., k."""
    match answer:
        case Tiers(tiers):
            words = {order: word for word, order in ORDERS.items()}.get(tiers)
            return [_choice("order", words)] if words and k == 2 else [_ranking(tiers, k)]
        case Choice(best):
            return [_choice("best", f"{best + 1}")]
        case Triplet(closer):
            return [_choice("closer", f"{closer + 1}")]
        case Grades(values):
            return [_number(f"grade-{i}", value) for i, value in enumerate(values, 1)]
        case Binary(values):
            return [_number(f"thumb-{i}", value) for i, value in enumerate(values, 1)]


def _result(name: str, kind: str, value: Any) -> Result:
    return {"from_name": name, "to_name": _LIST, "type": kind, "value": {kind: value}}


def _choice(name: str, word: str) -> Result:
    return _result(name, "choices", [word])


def _number(name: str, value: float) -> Result:
    return _result(name, "number", value)


def _ranking(tiers: Sequence[Sequence[int]], k: int) -> Result:
    ranked = {item for tier in tiers for item in tier}
    buckets = {f"tier {i}": [f"{item + 1}" for item in tier] for i, tier in enumerate(tiers, 1)}
    return _result("ranking", "ranker", {"_": [f"{i + 1}" for i in range(k) if i not in ranked], **buckets})


def said(results: Iterable[Result]) -> Answer:
    """The answer that results give. Raises `ValueError` or `KeyError` if they give none."""
    results = list(results)
    for one in results:
        value = one["value"]
        match one["type"], one.get("from_name", ""):
            case "pairwise", _:
                return Tiers(SIDES[value["selected"]])
            case "ranker", _:
                return Tiers(_tiers(value["ranker"]))
            case "choices", "best":
                return Choice(int(value["choices"][0]) - 1)
            case "choices", "closer":
                return Triplet(2 if int(value["choices"][0]) == 3 else 1)
            case "choices", "order":
                return Tiers(ORDERS[value["choices"][0]])
    numbers = {one["from_name"]: float(one["value"]["number"]) for one in results if one["type"] == "number"}
    for name, kind in (("grade", Grades), ("thumb", Binary)):
        if any(key.startswith(f"{name}-") for key in numbers):
            return kind(tuple(numbers[f"{name}-{i}"] for i in range(1, sum(k.startswith(name) for k in numbers) + 1)))
    raise ValueError("no result is an answer to a question of ours")


def _tiers(value: Any) -> tuple[tuple[int, ...], ...]:
    """Tiers of buckets in the order of their numbers, or one item per tier of the plain order that templates give."""
    buckets = value if isinstance(value, Mapping) else {"rank": value}
    if "rank" in buckets:
        return tuple((int(place) - 1,) for place in buckets["rank"])
    names = sorted((name for name in buckets if name != "_"), key=lambda name: int(name.removeprefix("tier ")))
    return tuple(tuple(int(place) - 1 for place in buckets[name]) for name in names if buckets[name])


def configuration(names: Iterable[str], most: int) -> str:
    """The labelling configuration with controls `names` for at most `most` items per question."""
    lines = [f'<View>\n  <Header value="$question"/>\n  <List name="{_LIST}" value="$items" title="Clips"/>']
    for name in names:
        match name:
            case "ranking":
                buckets = [f'    <Bucket name="tier {i}" title="{i}"/>' for i in range(1, most + 1)]
                lines += [f'  <Ranker name="ranking" toName="{_LIST}">', *buckets, "  </Ranker>"]
            case "grade" | "thumb":
                limits = ' min="0" max="1"' if name == "thumb" else ""
                lines += [f'  <Number name="{name}-{i}" toName="{_LIST}"{limits}/>' for i in range(1, most + 1)]
            case _:
                words = {"order": list(ORDERS), "closer": ["2", "3"]}.get(name, [f"{i}" for i in range(1, most + 1)])
                choices = [f'    <Choice value="{word}"/>' for word in words]
                lines += [f'  <Choices name="{name}" toName="{_LIST}" required="true">', *choices, "  </Choices>"]
    return "\n".join([*lines, "</View>"]) + "\n"
