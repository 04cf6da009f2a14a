"""What a selector promises, one function per promise; each takes the spec and the options it is tried with."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prefrl.specs import Candidates, SelectorSpec
from prefrl.testing.examples import build_context, candidates
from prefrl.testing.promises import built, each

Given = Mapping[str, Any] | None


def attempts(spec: SelectorSpec, options: Given) -> list[tuple[str, Callable[..., None], Any]]:
    """All of them."""
    return each(PROMISES, spec, options)


def _selector(spec: SelectorSpec, options: Given) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return built(spec, options, build_context(Path(folder)))


def _chosen(spec: SelectorSpec, options: Given, proposed: Candidates, n: int) -> list[tuple[int, str]]:
    return list(_selector(spec, options).select(proposed, n, np.random.default_rng(0)))


def says_whether_it_is_informed(spec: SelectorSpec, options: Given) -> None:
    """Its `informed` is True if it chooses by what the reward model says or the clips show, False if it takes what is drawn.

    Mend: set `informed = True` in the class; where it is False no more is proposed than needed, and `select` is not asked.
    """
    assert getattr(_selector(spec, options), "informed", None) in (True, False), "it has no attribute `informed`"


def picks_rows_of_the_proposals(spec: SelectorSpec, options: Given) -> None:
    """It returns at most n different (row, why) pairs, rows of `candidates.items`, with a reason in words.

    Mend: return `(int(row), "reason")` pairs, cut to n, each row once.
    """
    for n in (1, 5, 12):
        found = _chosen(spec, options, candidates(), n)
        rows = [row for row, _ in found]
        assert len(found) <= n, f"{len(found)} rows where {n} are asked for"
        assert rows, f"no row of 12 where {n} are asked for"
        assert len(set(rows)) == len(rows), f"a row twice: {rows}"
        assert set(rows) <= set(range(12)), f"rows {rows} of 12 proposals"
        assert all(isinstance(why, str) and why for _, why in found), "a row without a reason"


def works_for_any_number_of_items(spec: SelectorSpec, options: Given) -> None:
    """It ranks questions about one, two and four clips.

    Mend: take the number of items from `candidates.items.shape[1]`.
    """
    for k in (1, 2, 4):
        assert _chosen(spec, options, candidates(k), 3), f"no row of proposals of {k} clips"


def works_before_anything_is_known(spec: SelectorSpec, options: Given) -> None:
    """It chooses before the first fit (`returns` is None) and before anything was asked (`labelled` is empty).

    Mend: fall back on the first n rows where `candidates.returns is None`, and expect no labelled rows.
    """
    assert _chosen(spec, options, candidates(members=None), 3), "no row where returns are not known"
    assert _chosen(spec, options, candidates(labelled=0), 3), "no row where nothing was asked before"


def chooses_the_same_under_the_same_seed(spec: SelectorSpec, options: Given) -> None:
    """With the same proposals and generator it chooses the same.

    Mend: draw from the `rng` that `select` is given.
    """
    first, second = (_chosen(spec, options, candidates(), 5) for _ in range(2))
    assert first == second, f"first {first}, then {second}"


def leaves_proposals_alone(spec: SelectorSpec, options: Given) -> None:
    """It changes neither the proposals nor their clips.

    Mend: copy an array before changing it.
    """
    proposed = candidates()
    before = _bytes(proposed)
    _chosen(spec, options, proposed, 5)
    assert _bytes(proposed) == before, "they are different afterwards"


def _bytes(proposed: Candidates) -> bytes:
    arrays = [proposed.items, proposed.labelled, proposed.returns, *(clip.obs for clip in proposed.segments)]
    return b"".join(np.asarray(array).tobytes() for array in arrays)


PROMISES = (
    says_whether_it_is_informed,
    picks_rows_of_the_proposals,
    works_for_any_number_of_items,
    works_before_anything_is_known,
    chooses_the_same_under_the_same_seed,
    leaves_proposals_alone,
)
