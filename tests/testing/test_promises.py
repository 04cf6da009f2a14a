"""The kit itself: a plugin that keeps its promises passes, and one that breaks one is told which and what to do."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from prefrl.options import Options
from prefrl.specs import SelectorSpec, SourceSpec
from prefrl.testing import check, promises
from prefrl.testing.promises import TESTED
from prefrl.testing.teacher import prefrl_register_sources
from prefrl.types import Grades, Preference, Query, Tiers

FIRST = Tiers(((0,), (1,)))


def broken(source: type, kind: str = "pair", **declared: Any) -> set[str]:
    """Names of the promises that a source of this class breaks."""
    spec = SourceSpec(
        name="bad", summary="", build=lambda options, context: source(context),
        answers=declared.pop("answers", frozenset({kind})), **declared,
    )  # fmt: skip
    return {verdict.promise for verdict in check("sources", spec) if verdict.status == "broken"}


class Plain:
    """Keeps every promise; what follows breaks one each."""

    def __init__(self, context: Any) -> None:
        self.context = context

    def label(self, queries: Any, context: Any) -> Iterator[Preference]:
        for query in queries:
            yield self.answer(query)

    def answer(self, query: Query) -> Preference:
        return Preference.of(query, FIRST, source=self.context.name)


def test_sources_that_keep_their_promises_pass() -> None:
    (spec,) = prefrl_register_sources()
    assert {verdict.status for verdict in check("sources", spec)} == {"kept"}
    assert broken(Plain) == set()


class AnswersNan(Plain):
    def answer(self, query: Query) -> Preference:
        return Preference.of(query, Grades((float("nan"), 0.0)), source=self.context.name)


class AnswersTooShort(Plain):
    def answer(self, query: Query) -> Preference:
        return Preference.of(query, Tiers(((0,),)), source=self.context.name)


class AnswersAnother(Plain):
    def answer(self, query: Query) -> Preference:
        other = Query.of("elsewhere", 1, query.items)
        return Preference.of(other, FIRST, source=self.context.name)


class ReadsTrueReward(Plain):
    def answer(self, query: Query) -> Preference:
        best = int(np.argmax([item.true_reward.sum() for item in query.items]))  # type: ignore[union-attr]
        return Preference.of(query, Tiers(((best,), (1 - best,))), source=self.context.name)


class ChangesClips(Plain):
    def answer(self, query: Query) -> Preference:
        for item in query.items:
            item.obs[:] = 0.0  # type: ignore[union-attr]
        return super().answer(query)


class SignsForAnother(Plain):
    def answer(self, query: Query) -> Preference:
        return Preference.of(query, FIRST, source="oracle")


class DrawsFromNowhere(Plain):
    def answer(self, query: Query) -> Preference:
        return Preference.of(query, FIRST, source=self.context.name, strength=np.random.default_rng().random())


class LooksAtThePlaceInTheBatch(Plain):
    def label(self, queries: Any, context: Any) -> Iterator[Preference]:
        for place, query in enumerate(queries):
            best = place % 2
            yield Preference.of(query, Tiers(((best,), (1 - best,))), source=self.context.name)


class LeavesAThread(Plain):
    def answer(self, query: Query) -> Preference:
        threading.Thread(target=threading.Event().wait, args=(5.0,), daemon=True).start()
        return super().answer(query)


class NeedsAQuestion(Plain):
    def label(self, queries: Any, context: Any) -> Iterator[Preference]:
        np.stack([query.items[0].obs for query in queries])
        yield from super().label(queries, context)


class AnswersTwice(Plain):
    def label(self, queries: Any, context: Any) -> Iterator[Preference]:
        for query in queries:
            yield self.answer(query)
            yield self.answer(query)


class SaysNothing(Plain):
    def label(self, queries: Any, context: Any) -> Iterator[Preference]:
        yield from ()


@pytest.mark.parametrize(
    ("source", "promise"),
    [
        (AnswersNan, "answers_soundly"),
        (AnswersTooShort, "answers_soundly"),
        (AnswersAnother, "answers_only_what_it_was_asked"),
        (AnswersTwice, "answers_only_what_it_was_asked"),
        (ReadsTrueReward, "declares_what_it_reads"),
        (ChangesClips, "leaves_clips_alone"),
        (SignsForAnother, "signs_with_the_name_it_was_given"),
        (DrawsFromNowhere, "answers_the_same_under_the_same_seed"),
        (LooksAtThePlaceInTheBatch, "answers_one_by_one_as_in_a_batch"),
        (LeavesAThread, "leaves_nothing_behind"),
        (NeedsAQuestion, "takes_no_questions"),
        (SaysNothing, "answers_something"),
    ],
)
def test_a_source_that_breaks_a_promise_is_told_which(source: type, promise: str) -> None:
    assert promise in broken(source)


def test_what_was_declared_may_be_read() -> None:
    assert broken(ReadsTrueReward, needs=frozenset({"true_reward"})) == set()


def test_a_verdict_says_what_was_promised_seen_and_how_to_mend_it() -> None:
    spec = SourceSpec(name="bad", summary="", build=lambda options, context: SignsForAnother(context))
    (verdict,) = [one for one in check("sources", spec) if one.status == "broken"]
    assert "the name under which it was built" in verdict.says
    assert verdict.seen.startswith("built as 'asked_as', it signs as oracle")
    assert "source=context.name" in verdict.mend


def test_options_without_defaults_are_asked_for() -> None:
    class Needy(Options):
        path: str

    spec = SourceSpec(name="needy", summary="", build=lambda options, context: Plain(context), options=Needy)
    without, given = check("sources", spec), check("sources", spec, {"path": "here"})
    assert {verdict.status for verdict in without} == {"not tried"}
    assert "no default for path" in without[0].seen
    assert {verdict.status for verdict in given} == {"kept"}


def test_a_selector_is_held_to_its_number_of_rows() -> None:
    class Greedy:
        informed = True

        def select(self, candidates: Any, n: int, rng: Any) -> list[tuple[int, str]]:
            return [(row, "all") for row in range(len(candidates.items))]

    spec = SelectorSpec(name="greedy", summary="", build=lambda options, context: Greedy())
    seen = {one.promise: one.seen for one in check("selectors", spec) if one.status == "broken"}
    assert list(seen) == ["picks_rows_of_the_proposals"]
    assert seen["picks_rows_of_the_proposals"].startswith("12 rows where 1 are asked for")


@pytest.mark.parametrize("kind", ["sources", "selectors"])
def test_every_promise_says_itself_and_how_to_mend_it(kind: str) -> None:
    for promise in promises(kind, _spec(kind)):
        assert promise.says.endswith(".")
        assert promise.mend, promise.name


def _spec(kind: str) -> Any:
    return (
        SourceSpec(name="x", summary="", build=dict)
        if kind == "sources"
        else SelectorSpec(name="x", summary="", build=dict)
    )


def test_the_kit_is_light_until_it_is_used() -> None:
    code = "import prefrl.testing, prefrl.testing.examples, sys; assert not {'torch', 'mujoco', 'pytest'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"sources", "losses", "procedures"} <= set(TESTED)
