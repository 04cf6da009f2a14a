"""Records of `prefrl.types` in, rows and JSON out, and back: the only place that knows how either is spelled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np

from prefrl.errors import DataError
from prefrl.types import (
    ANSWER_KINDS,
    Answer,
    Array,
    Candidate,
    EnvInfo,
    Factor,
    Item,
    Preference,
    Query,
    Rationale,
    Segment,
    Text,
)

Record = dict[str, Any]
_KIND_OF = {answer: kind for kind, answer in ANSWER_KINDS.items()}
_MAPS = ("cost", "factors", "extras")  # channels of a segment by name
_ARRAYS = ("obs", "action", "true_reward", "policy_action", "log_prob", "states")
_PLAIN = ("terminated", "dt", "env_id", "episode", "start")


def to_json(value: Any) -> str:
    """Compact ASCII JSON; numpy numbers become plain ones, NaN and infinity raise `ValueError`."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not a value of a record")


def _tupled(value: Any) -> Any:
    return tuple(_tupled(part) for part in value) if isinstance(value, list) else value


# --- answers and preferences ---------------------------------------------------------------------------------------


def answer_record(answer: Answer) -> Record:
    """``{"kind": "tiers", "tiers": [[1], [0]]}`` and alike."""
    return {"kind": _KIND_OF[type(answer)], **asdict(answer)}


def answer_of(record: Mapping[str, Any]) -> Answer:
    """The inverse of `answer_record`. Raises `KeyError` or `TypeError` for what is no answer."""
    values = {name: _tupled(value) for name, value in record.items() if name != "kind"}
    return ANSWER_KINDS[record["kind"]](**values)


def preference_record(preference: Preference) -> Record:
    """A preference as plain values; what was not said is absent from its rationale."""
    record = {field.name: getattr(preference, field.name) for field in fields(preference)}
    record["answer"] = None if preference.answer is None else answer_record(preference.answer)
    record["rationale"] = {k: v for k, v in asdict(preference.rationale).items() if v is not None} or None
    return record


def preference_of(record: Mapping[str, Any]) -> Preference:
    """The inverse of `preference_record`; unknown keys are refused by `TypeError`."""
    values = dict(record)
    if values["answer"] is not None:
        values["answer"] = answer_of(values["answer"])
    values["rationale"] = Rationale(**{k: _tupled(v) for k, v in (values["rationale"] or {}).items()})
    values["shown_order"] = _tupled(values["shown_order"])
    return Preference(**values)


_JSON_COLUMNS = ("answer", "rationale", "shown_order")
_NUMBERS = ("strength", "seconds", "created")


def preference_row(preference: Preference) -> Record:
    """Column values of a preference. Raises `DataError` for numbers that are not finite."""
    row = preference_record(preference)
    try:
        for column in _JSON_COLUMNS:
            row[column] = None if row[column] is None else to_json(row[column])
        for column in _NUMBERS:
            row[column] = None if row[column] is None else float(row[column])
        to_json([row[column] for column in _NUMBERS])
    except ValueError as error:
        raise DataError(f"The answer to query {preference.query_id} holds a number that is not finite.") from error
    return row


def preference_of_row(row: Mapping[str, Any]) -> Preference:
    """The inverse of `preference_row`."""
    values = dict(row)
    for column in _JSON_COLUMNS:
        values[column] = None if values[column] is None else json.loads(values[column])
    return preference_of(values)


# --- queries and items ---------------------------------------------------------------------------------------------


def query_row(query: Query) -> Record:
    """Column values of a query; its items by id."""
    return {
        "id": query.id,
        "kind": query.kind,
        "question": query.question,
        "why": query.why,
        "round": int(query.round),
        "items": to_json([item.id for item in query.items]),
    }


def item_data(item: Item) -> Record:
    """What an item holds beside arrays."""
    match item:
        case Segment():
            return {name: getattr(item, name) for name in _PLAIN}
        case Text():
            return {"prompt": item.prompt, "completion": item.completion}
        case Candidate():
            return {"name": item.name, "program": item.program, "clip": item.clip.id if item.clip is not None else None}


def segment_arrays(segment: Segment) -> dict[str, Any]:
    """Channel name -> array: "obs", "action", ..., "factors/<name>", "cost/<name>", "extras/<name>"."""
    arrays = {name: value for name in _ARRAYS if (value := getattr(segment, name)) is not None}
    for group in _MAPS:
        arrays |= {f"{group}/{name}": value for name, value in getattr(segment, group).items()}
    return arrays


def segment_of(key: str, data: Mapping[str, Any], arrays: Mapping[str, Array]) -> Segment:
    """A segment from what `item_data` and `segment_arrays` gave; channels that were left out are None or absent."""
    groups: dict[str, Any] = {group: {} for group in _MAPS}
    values: dict[str, Any] = dict(data)
    for channel, array in arrays.items():
        group, _, name = channel.partition("/")
        if name:
            groups[group][name] = array
        else:
            values[channel] = array
    return Segment(id=key, **values, **groups)


# --- environments --------------------------------------------------------------------------------------------------


def env_record(env: EnvInfo) -> Record:
    """An `EnvInfo` as plain values."""
    return asdict(env)


def env_of(record: Mapping[str, Any]) -> EnvInfo:
    """The inverse of `env_record`, also after JSON."""
    env = EnvInfo(**{name: _tupled(value) for name, value in record.items()})
    return replace(env, factors={name: Factor(**factor) for name, factor in record["factors"].items()})
