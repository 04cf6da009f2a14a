"""Items come back as they were, without what was left out, and never unnoticed if their bytes changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from prefrl.errors import CorruptStore, DataError, RunError
from prefrl.store import DataSet, Store, open_store
from prefrl.types import Candidate, EnvInfo, Query, Segment, Text

Ask = Callable[[int], Query]
ARRAYS = ("obs", "action", "true_reward", "policy_action", "log_prob", "states")
MAPS = ("cost", "factors", "extras")


def equal(a: Segment, b: Segment) -> bool:
    """Same bytes in every channel, same words beside them."""
    plain = ("id", "terminated", "dt", "env_id", "episode", "start")
    arrays = {name: (getattr(a, name), getattr(b, name)) for name in ARRAYS}
    for group in MAPS:
        assert list(getattr(a, group)) == list(getattr(b, group))
        arrays |= {f"{group}/{name}": (value, getattr(b, group)[name]) for name, value in getattr(a, group).items()}
    same = all(x is y is None or (x.dtype == y.dtype and np.array_equal(x, y)) for x, y in arrays.values())
    return same and all(getattr(a, name) == getattr(b, name) for name in plain)


def test_segments_keep_every_channel(data: DataSet, pair: Ask) -> None:
    asked = pair(0)
    data.add_queries([asked])
    found = data.query(asked.id)
    assert (found.id, found.kind, found.question, found.why, found.round) == (asked.id, "pair", "reward", asked.why, 0)
    assert all(equal(a, b) for a, b in zip(asked.items, found.items, strict=True))


def test_channels_left_out_are_absent_and_ids_stay(data: DataSet, pair: Ask) -> None:
    data.add_queries([pair(0)])
    [first, _] = data.query(pair(0).id, without={"true_reward", "factors/speed", "states", "cost"}).items
    assert (first.true_reward, first.states, first.cost) == (None, None, {})
    assert list(first.factors) == ["height"]
    assert first.id == pair(0).items[0].id
    assert np.array_equal(first.obs, pair(0).items[0].obs)


def test_texts_and_candidates_come_back(data: DataSet, segment: Callable[[int], Segment]) -> None:
    text, bare = Text("Sum?", "42 \u2713"), Candidate("planner", program="def reward(s): ...")
    shown = Candidate("walker", clip=segment(5))
    query = Query.of("run", 0, [text, bare, shown], kind="ranking")
    data.add_queries([query])
    found = data.query(query.id).items
    assert found[0] == text
    assert [item.id for item in found] == [item.id for item in query.items]
    assert isinstance(found[1], Candidate)
    assert found[1].program == bare.program
    assert isinstance(found[2], Candidate)
    assert found[2].clip is not None
    assert equal(found[2].clip, segment(5))


def test_a_round_is_one_file_and_a_redone_round_none_more(data: DataSet, pair: Ask, tmp_path: Path) -> None:
    data.add_queries([pair(i) for i in range(8)])
    data.add_queries([pair(i) for i in range(8)])
    assert len(list((tmp_path / "prefrl.items").iterdir())) == 1


def test_one_data_set_never_reads_what_another_recorded(
    store: Store, env: EnvInfo, segment: Callable[[int], Segment]
) -> None:
    known = segment(1)
    blind = Segment.of(known.obs, known.action, true_reward=np.full(4, np.nan))
    assert blind.id == known.id
    for name, item in (("known", known), ("blind", blind)):
        store.data_set(name, env).add_queries([Query.of(name, 0, [item])])
    [read] = store.data_set("blind").items([blind.id]).values()
    assert np.isnan(read.true_reward).all()
    assert read.factors == {}


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damaged_arrays_are_found(data: DataSet, pair: Ask, tmp_path: Path, damage: str) -> None:
    data.add_queries([pair(0)])
    [pack] = (tmp_path / "prefrl.items").iterdir()
    content = bytearray(pack.read_bytes())
    content[-1] ^= 1
    if damage == "remove":
        pack.unlink()
    else:
        pack.write_bytes(content if damage == "flip" else content[:-9])
    hit = pair(0).items[1].id
    with pytest.raises(CorruptStore, match=f"{hit}|missing") as caught:
        data.queries([pair(0).id])
    assert "restore the file" in str(caught.value)
    found = data.verify()
    assert any(hit in sentence for sentence in found)
    assert len(found) == (2 if damage == "remove" else 1)


def test_objects_are_never_pickled(data: DataSet) -> None:
    hostile = Segment("x", np.array([{"a": 1}], dtype=object), np.zeros((1, 1)))
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        data.add_queries([Query.of("run", 0, [hostile])])


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, env: EnvInfo, pair: Ask) -> None:
    (tmp_path / "prefrl.items").write_text("in the way")
    with open_store(None, tmp_path) as store:
        data = store.data_set("toy", env)
        with pytest.raises(RunError, match=r"Items cannot be written to .*prefrl\.items"):
            data.add_queries([pair(0)])
        assert data.open_queries() == []  # no row without its file


def test_unknown_items_are_named(data: DataSet) -> None:
    with pytest.raises(DataError, match="no item nope"):
        data.items(["nope"])
