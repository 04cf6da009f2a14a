"""Exports hold everything but arrays, come back equal, and damaged files are refused by line."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl.errors import ConfigError, DataError
from prefrl.store import DataSet, Store, open_store
from prefrl.types import Binary, Choice, EnvInfo, Grades, Preference, Query, Rationale, Text, Tiers, Triplet

Ask = Callable[[int], Query]
FIRST = Tiers(((0,), (1,)))

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
tiers = st.permutations(range(3)).flatmap(
    lambda order: st.sampled_from(
        [((order[0],), tuple(order[1:])), tuple((i,) for i in order), (tuple(order),), (tuple(order[:2]),)]
    )
)
answers = st.one_of(
    st.none(),
    tiers.map(Tiers),
    st.tuples(numbers, numbers, numbers).map(Grades),
    st.tuples(st.sampled_from([0.0, 0.5, 1.0])).map(Binary),
    st.sampled_from([1, 2]).map(Triplet),
    st.integers(0, 2).map(Choice),
)
rationales = st.builds(
    Rationale, st.none() | words, st.none() | st.tuples(st.integers(0, 9), st.integers(10, 50)), st.none() | words
)
details = st.fixed_dictionaries(
    {
        "answer": answers,
        "source": words,
        "annotator": words,
        "group": words,
        "revision": st.integers(0, 3),
        "strength": st.none() | numbers,
        "rationale": rationales,
        "shown_order": st.none() | st.permutations(range(3)).map(tuple),
        "seconds": st.none() | st.floats(0, 1e6),
        "created": st.floats(1, 2e9),
    }
)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.integers(0, 3), details), max_size=8), words)
def test_whatever_was_answered_comes_back(given_answers: list, why: str) -> None:
    env = EnvInfo("Text-v0", (), ())
    queries = [
        Query.of("run", i, [Text(f"{i}", f"{why}{k}") for k in range(3)], kind="ranking", why=why) for i in range(4)
    ]
    with tempfile.TemporaryDirectory() as folder, open_store(None, Path(folder)) as store:
        data = store.data_set("one", env)
        data.add_queries(queries)
        keys = set()
        for i, detail in given_answers:
            key = (i, detail["source"], detail["annotator"], detail["revision"])
            if key not in keys:
                data.add(Preference.of(queries[i], **detail))
            keys.add(key)
        data.export(Path(folder, "one.jsonl"))
        copy = store.data_set("two", env)
        imported = copy.import_(Path(folder, "one.jsonl"))
        assert (imported.queries, imported.preferences) == (4, len(keys))
        assert copy.preferences() == data.preferences()
        assert copy.current() == data.current()
        assert copy.open_queries() == data.open_queries()
        assert [found.items for found in copy.queries(q.id for q in queries).values()] == [q.items for q in queries]
        copy.export(Path(folder, "two.jsonl"))
        one, two = (Path(folder, name).read_text().splitlines() for name in ("one.jsonl", "two.jsonl"))
        assert one[1:] == two[1:]
        assert copy.import_(Path(folder, "one.jsonl")).preferences == 0


def exported(data: DataSet, pair: Ask, path: Path) -> Path:
    data.add_queries([pair(0), pair(1)])
    data.add(Preference.of(pair(0), FIRST, source="oracle"))
    data.export(path)
    return path


def test_every_line_names_schema_and_type_and_no_line_holds_reward(data: DataSet, pair: Ask, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in exported(data, pair, tmp_path / "out" / "toy.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["data_set"] + ["item"] * 4 + ["query"] * 2 + ["preference"]
    assert {line["schema_version"] for line in lines} == {1}
    assert lines[-1]["answer"] == {"kind": "tiers", "tiers": [[0], [1]]}
    assert "true_reward" not in json.dumps(lines)


def test_imported_segments_are_known_by_id_until_their_arrays_come(
    data: DataSet, pair: Ask, tmp_path: Path, store: Store, env: EnvInfo
) -> None:
    copy = store.data_set("copy", env)
    copy.import_(exported(data, pair, tmp_path / "toy.jsonl"))
    with pytest.raises(DataError, match="by its id only"):
        copy.query(pair(0).id)
    copy.add_queries([pair(0)])
    assert copy.query(pair(0).id).items[0].true_reward is not None
    assert len(copy.preferences()) == 1


def test_a_contradiction_imports_nothing(data: DataSet, pair: Ask, tmp_path: Path, store: Store, env: EnvInfo) -> None:
    path = exported(data, pair, tmp_path / "toy.jsonl")
    other = store.data_set("other", env)
    other.add_queries([pair(0)])
    other.add(Preference.of(pair(0), Tiers(((1,), (0,))), source="oracle"))
    with pytest.raises(DataError, match="another answer"):
        other.import_(path)
    assert store.data_sets()[0].queries == 1


@pytest.mark.parametrize(
    ("line", "change", "words"),
    [
        (3, lambda text: text[:-5], r":3 is damaged, no JSON"),
        (8, lambda text: text.replace('"tiers"', '"tears"', 1), r":8 is damaged \(KeyError: 'tears'\)"),
        (8, lambda text: text.replace('"revision"', '"revisoin"'), r":8 is damaged \(TypeError"),
        (6, lambda text: text.replace('"type":"query"', '"type":"qvery"'), r":6 is damaged \(KeyError: 'qvery'\)"),
        (6, lambda _: "[]", r":6 is damaged, it is not an object"),
        (
            7,
            lambda text: text.replace('"schema_version":1', '"schema_version":2'),
            r":7 has schema version 2, .* reads 1",
        ),
        (
            1,
            lambda text: text.replace("Toy-v0", "Hopper-v5"),
            r"is about another environment \(id Hopper-v5, here Toy-v0\)",
        ),
    ],
)
def test_damaged_files_are_refused(
    data: DataSet, pair: Ask, tmp_path: Path, line: int, change: Callable, words: str
) -> None:
    path = exported(data, pair, tmp_path / "toy.jsonl")
    lines = path.read_text().splitlines()
    lines[line - 1] = change(lines[line - 1])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=words):
        data.import_(path)


def test_absent_and_empty_files(data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.jsonl cannot be read: No such file"):
        data.import_(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match="is empty"):
        data.import_(tmp_path / "empty.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        data.import_(tmp_path / "binary.jsonl")
