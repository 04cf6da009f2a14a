"""What a source promises, one function per promise; each takes the spec and the options it is tried with."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import numpy as np

from prefrl.soundness import fault
from prefrl.specs import Need, Needs, SourceSpec
from prefrl.testing.examples import NAME, ask_context, build_context, queries, questions, visible
from prefrl.testing.promises import NotTried, built, chosen, each
from prefrl.types import Preference, Query

Given = Mapping[str, Any] | None
CHANGED = ("obs", "action", "true_reward", "states")  # channels that are compared afterwards


def attempts(spec: SourceSpec, options: Given) -> list[tuple[str, Callable[..., None], Any]]:
    """All of them."""
    return each(PROMISES, spec, options)


def _answers(spec: SourceSpec, options: Given, asked: Sequence[Query], needs: Needs | None = None) -> list[Preference]:
    """What a fresh source says, of what it may see."""
    return list(_stream(spec, options, asked, needs))


def _stream(
    spec: SourceSpec, options: Given, asked: Sequence[Query], needs: Needs | None = None
) -> Iterator[Preference]:
    if spec.deferred:
        raise NotTried("it answers through the store, where each answer is checked when it is added")
    needs = spec.needs_of(chosen(spec, options)) if needs is None else needs
    with tempfile.TemporaryDirectory() as folder:
        source = built(spec, options, build_context(Path(folder)))
        yield from source.label(visible(asked, needs), ask_context(needs))


def _questions(spec: SourceSpec) -> list[Query]:
    return [query for kind in sorted(spec.answers) for query in questions(kind)]  # kinds of question


def _said(answers: Sequence[Preference]) -> dict[str, Any]:
    return {p.query_id: (p.outcome, p.answer, p.strength, p.annotator, p.group) for p in answers}


# --- the promises ----------------------------------------------------------------------------------------------------


def answers_something(spec: SourceSpec, options: Given) -> None:
    """Of six questions of each kind it declares, it answers at least one or skips it with a reason.

    Mend: yield `Preference.of(query, answer, source=context.name)`, and declare in `answers` only kinds it can answer.
    """
    for kind in sorted(spec.answers):
        assert _answers(spec, options, questions(kind)), f"no answer to six questions of kind '{kind}'"


def declares_what_it_reads(spec: SourceSpec, options: Given) -> None:
    """It gets by with what it declared in `needs`; the true reward, factors and states are absent otherwise.

    Mend: name what it reads in `needs` of the spec, or do not read it.
    """
    needs = spec.needs_of(chosen(spec, options))
    try:
        _answers(spec, options, _questions(spec))
    except NotTried:
        raise
    except Exception as error:
        for need in get_args(Need):
            try:
                _answers(spec, options, _questions(spec), needs | {need})
            except Exception:  # noqa: BLE001, S112  not this one
                continue
            raise AssertionError(f"it works only if it sees '{need}', which it did not declare") from error
        raise


def answers_only_what_it_was_asked(spec: SourceSpec, options: Given) -> None:
    """Every answer is a `Preference` about a query it was asked, at most one per query.

    Mend: make answers with `Preference.of(query, ...)` of the queries handed to `label`.
    """
    asked = _questions(spec)
    given = _answers(spec, options, asked)
    assert all(isinstance(one, Preference) for one in given), "it yielded something that is no Preference"
    unknown = {one.query_id for one in given} - {query.id for query in asked}
    assert not unknown, f"an answer to query {next(iter(unknown))}, which was not asked"
    assert len({one.query_id for one in given}) == len(given), "a query was answered twice"


def answers_soundly(spec: SourceSpec, options: Given) -> None:
    """Every answer fits its query: its kind, as many values as items, finite numbers; a skip has no answer.

    Mend: look at the item count and `query.kind`; rank k items by k ranks, and say nothing where a value is NaN.
    """
    asked = {query.id: query for query in _questions(spec)}
    for one in _answers(spec, options, list(asked.values())):
        if (query := asked.get(one.query_id)) is not None:
            wrong = fault(one, query.kind, len(query.items))
            assert wrong is None, f"about a {query.kind} of {len(query.items)} items: {wrong}"


def signs_with_the_name_it_was_given(spec: SourceSpec, options: Given) -> None:
    """Its answers carry the name under which it was built, which is the key in the YAML.

    Mend: `Preference.of(query, answer, source=context.name)` with the `BuildContext` that the builder got.
    """
    names = {one.source for one in _answers(spec, options, _questions(spec))}
    assert names <= {NAME}, f"built as '{NAME}', it signs as {', '.join(sorted(names - {NAME}))}"


def answers_the_same_under_the_same_seed(spec: SourceSpec, options: Given) -> None:
    """Built twice with the same seed, it gives the same answers to the same questions.

    Mend: draw from `context.rng(...)` of the `BuildContext`; no clock, no global generator, no set order.
    """
    first, second = (_said(_answers(spec, options, _questions(spec))) for _ in range(2))
    assert first == second, f"{sum(first[q] != second.get(q) for q in first)} of {len(first)} answers differ"


def answers_one_by_one_as_in_a_batch(spec: SourceSpec, options: Given) -> None:
    """A question keeps its answer whatever it is asked together with, so a round that is redone changes nothing.

    Mend: draw from `context.rng("...", query.id)`, a stream per question, not from one that the batch shares.
    """
    for kind in sorted(spec.answers):
        asked = questions(kind)[:3]
        together = _said(_answers(spec, options, asked))
        alone = {k: v for query in reversed(asked) for k, v in _said(_answers(spec, options, [query])).items()}
        assert together == alone, f"{kind}: asked one by one it answers {alone}, together {together}"


def keeps_what_it_said_when_interrupted(spec: SourceSpec, options: Given) -> None:
    """Interrupted after its first answer, it leaves that answer as it would have been, and nothing is thrown.

    Mend: yield each answer when it is known, and let `GeneratorExit` pass.
    """
    whole = _answers(spec, options, _questions(spec))
    stream = _stream(spec, options, _questions(spec))
    first = list(islice(stream, 1))
    stream.close()  # type: ignore[attr-defined]  # a generator
    assert _said(first) == _said(whole[:1]), "the first answer is another one"


def leaves_clips_alone(spec: SourceSpec, options: Given) -> None:
    """It changes nothing in the clips it is shown; another source may be shown the same.

    Mend: copy an array before changing it.
    """
    needs = spec.needs_of(chosen(spec, options))
    asked = [query for kind in sorted(spec.answers) for query in queries(kind, 2)]  # type: ignore[arg-type]
    before = [_bytes(query) for query in asked]
    shared = [_shared(shown, original) for shown, original in zip(visible(asked, needs), asked, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        if spec.deferred:
            raise NotTried("it answers through the store")
        list(built(spec, options, build_context(Path(folder))).label(shared, ask_context(needs)))
    changed = sum(old != _bytes(new) for old, new in zip(before, asked, strict=True))
    assert not changed, f"the clips of {changed} questions are different afterwards"


def _shared(shown: Query, original: Query) -> Query:
    """As shown, but with the original's own arrays in place of copies."""
    items = []
    for item, own in zip(shown.items, original.items, strict=True):
        arrays = {name: getattr(own, name) for name in CHANGED if getattr(item, name) is not None}
        items.append(replace(item, **arrays))  # the examples are segments
    return replace(shown, items=tuple(items))


def _bytes(query: Query) -> bytes:
    return b"".join(np.asarray(getattr(item, name)).tobytes() for item in query.items for name in CHANGED)


def leaves_nothing_behind(spec: SourceSpec, options: Given) -> None:
    """After its last answer no thread of it runs and no file of it is open.

    Mend: join threads and close files in a `finally` around the answers, or use `with`.
    """
    _answers(spec, options, questions(min(spec.answers))[:2])  # what is imported and cached once stays
    threads, files = set(threading.enumerate()), _open_files()
    _answers(spec, options, questions(min(spec.answers))[:2])
    left = [thread.name for thread in threading.enumerate() if thread not in threads and thread.is_alive()]
    assert not left, f"threads still run: {', '.join(left)}"
    assert _open_files() <= files, f"{_open_files() - files} more files are open than before"


def _open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.exists() else 0  # noqa: PTH208  a count, not paths


def takes_no_questions(spec: SourceSpec, options: Given) -> None:
    """Asked nothing, it answers nothing and throws nothing.

    Mend: begin with `for query in queries`, and compute what all share only if there are any.
    """
    assert _answers(spec, options, []) == [], "an answer to no question"


PROMISES = (
    answers_something,
    declares_what_it_reads,
    answers_only_what_it_was_asked,
    answers_soundly,
    signs_with_the_name_it_was_given,
    answers_the_same_under_the_same_seed,
    answers_one_by_one_as_in_a_batch,
    keeps_what_it_said_when_interrupted,
    leaves_clips_alone,
    leaves_nothing_behind,
    takes_no_questions,
)
