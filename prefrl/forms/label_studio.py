"""A data set in, tasks and labelling configurations of Label Studio out; and back, also from what Label Studio exported.

Each kind of question gets <kind>.json, which Label Studio imports, and <kind>.xml, the project's labelling configuration.
An annotation holds the answer as Label Studio's own result; what Label Studio has no place for (who answered for which
source, strength, reasons, ...) stands beside it under "prefrl", which Label Studio drops.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from prefrl.errors import DataError
from prefrl.forms.folders import HEAD, fresh, read_head, read_json, write_head, write_json
from prefrl.forms.results import configuration, control, result_of, said
from prefrl.store.data_set import DataSet
from prefrl.store.exchange import Export, damage_named
from prefrl.store.records import preference_of, preference_record
from prefrl.types import EnvInfo, Preference, Query

SOURCE = "label_studio"  # of answers that were given there
_QUERY = ("why", "round")  # of a question, which people must not see


def write(data: DataSet, folder: Path) -> Counter[str]:
    """data_set.json with the items, and tasks and configuration by kind of question."""
    content = data.content()
    shown = {row["id"]: json.loads(row["data"]) for row in content.items}
    clips = {key: files[0].path for key, files in data.clips(shown).items()}
    answers: dict[str, list[dict[str, Any]]] = {}
    for position, preference in enumerate(content.preferences, 1):
        answers.setdefault(preference.query_id, []).append({"position": position, "preference": preference})
    kinds: dict[str, list[dict[str, Any]]] = {}
    for number, row in enumerate(content.queries, 1):
        items = [
            _shown(key, place, shown[key], clips.get(key)) for place, key in enumerate(json.loads(row["items"]), 1)
        ]
        kinds.setdefault(row["kind"], []).append(
            {
                "id": number,
                "data": {"query": row["id"], "kind": row["kind"], "question": row["question"], "items": items},
                "meta": {name: row[name] for name in _QUERY},
                "annotations": [_annotation(**one, k=len(items)) for one in answers.get(row["id"], ())],
            }
        )
    with fresh(folder) as draft:
        write_head(draft, content, items=[row | {"data": shown[row["id"]]} for row in content.items])
        for kind, tasks in kinds.items():
            write_json(draft / f"{kind}.json", tasks)
            (draft / f"{kind}.xml").write_text(_configuration(kind, tasks), encoding="utf-8")
    return Counter()


def _shown(key: str, place: int, data: Mapping[str, Any], clip: str | None) -> dict[str, str]:
    """What the list of Label Studio shows of one item."""
    words = escape(str(data.get("completion") or data.get("program") or ""))
    if clip is not None:
        words = f'<video src="/data/local-files/?d={escape(clip)}" controls loop muted></video>'
    return {"id": f"{place}", "item": key, "title": f"{place}", "html": words}


def _annotation(position: int, preference: Preference, k: int) -> dict[str, Any]:
    record = preference_record(preference)
    del record["answer"], record["query_id"]
    return {
        "result": [] if preference.answer is None else result_of(preference.answer, k),
        "was_cancelled": preference.answer is None,
        "created_at": datetime.fromtimestamp(preference.created, UTC).isoformat(),
        "lead_time": preference.seconds,
        "prefrl": {"position": position, **record},
    }


def _configuration(kind: str, tasks: Sequence[Mapping[str, Any]]) -> str:
    """A page that asks what `kind` asks, with a control for every answer given so far."""
    results = [one for task in tasks for annotation in task["annotations"] for one in annotation["result"]]
    most = max(len(task["data"]["items"]) for task in tasks)
    names = [control(kind), *(one["from_name"].partition("-")[0] for one in results)]
    return configuration(dict.fromkeys(names), most)


def read(path: Path, env: EnvInfo | None) -> Export:
    """What `write` wrote, or one file of tasks that Label Studio exported into a data set that has the questions."""
    if path.is_dir():
        content, head = read_head(path)
        with damage_named(str(path / HEAD)):
            content.items += [
                row | {"data": json.dumps(row["data"]), "pack": None, "arrays": None} for row in head["items"]
            ]
        files = sorted(one for one in path.glob("*.json") if one.name != HEAD)
    elif env is None:
        raise DataError(
            f"{path} holds tasks alone: import them into the data set whose questions they are, or import the whole folder."
        )
    else:
        content, files = Export("", env), [path]
    queries: list[tuple[int, dict[str, Any]]] = []
    answers: list[tuple[float, Preference]] = []
    for file in files:
        for number, task in enumerate(_tasks(file), 1):
            with damage_named(f"{file}: task {number}"):
                queries += [(task["id"], _query(task))] if path.is_dir() else []
                answers += _answers(task)
    content.queries += [row for _, row in sorted(queries, key=lambda one: one[0])]
    content.preferences += [preference for _, preference in sorted(answers, key=lambda one: one[0])]
    return content


def _tasks(file: Path) -> list[Any]:
    tasks = read_json(file)
    if not isinstance(tasks, list):
        raise DataError(f"{file} is no list of tasks: export the project as JSON.")
    return tasks


def _query(task: Mapping[str, Any]) -> dict[str, Any]:
    data, meta = task["data"], task["meta"]
    items = json.dumps([item["item"] for item in data["items"]], separators=(",", ":"))
    return {
        "id": data["query"], "kind": data["kind"], "question": data["question"], "items": items,
        **{name: meta[name] for name in _QUERY},
    }  # fmt: skip


def _answers(task: Mapping[str, Any]) -> list[tuple[float, Preference]]:
    """(what orders it, answer) of every annotation."""
    query = Query(task["data"]["query"], (), task["data"]["kind"])
    found: list[tuple[float, Preference]] = []
    revisions: Counter[str] = Counter()
    for annotation in task["annotations"]:
        answer = None if annotation["was_cancelled"] else said(annotation["result"])
        own = annotation.get("prefrl")
        if own is not None:
            plain = {name: value for name, value in own.items() if name != "position"}
            preference = preference_of({**plain, "query_id": query.id, "answer": None})
            found.append((own["position"], replace(preference, answer=answer)))
            continue
        created = datetime.fromisoformat(annotation["created_at"]).timestamp()
        who = _annotator(annotation.get("completed_by"))
        given = Preference.of(
            query, answer, source=SOURCE, annotator=who, revision=revisions[who], seconds=annotation.get("lead_time"),
            created=created,
        )  # fmt: skip
        revisions[who] += 1
        found.append((created, given))
    return found


def _annotator(who: Any) -> str:
    """Label Studio names people by number, or by a record with their address."""
    if isinstance(who, Mapping):
        who = who.get("email") or who.get("id")
    return "-" if who is None else str(who)
