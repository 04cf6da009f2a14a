"""What a procedure promises, one function per promise; each takes the spec and the options it is tried with."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prefrl.checkpoints import newest, write
from prefrl.errors import PrefrlError
from prefrl.specs import ProcedureSpec
from prefrl.testing.promises import NotTried, built, chosen, each
from prefrl.testing.runs import TINY, host_with, run

Given = Mapping[str, Any] | None


def attempts(spec: ProcedureSpec, options: Given) -> list[tuple[str, Callable[..., None], Any]]:
    """All of them."""
    return each(PROMISES, spec, options)


def _manifest(spec: ProcedureSpec, options: Given, folder: str) -> dict[str, Any]:
    """Of a tiny run by this procedure."""
    chosen(spec, options)
    try:
        done = run(
            Path(folder), host=host_with("procedures", spec),
            changes={"procedure": {"name": spec.name, **(options or {})}},
        )  # fmt: skip
    except PrefrlError as error:
        if options is not None:
            raise
        raise NotTried(f"the tiny run cannot be done by it: {error}") from error
    found: dict[str, Any] = json.loads((done.folder / "manifest.json").read_text(encoding="utf-8"))
    return found


def runs_to_its_end(spec: ProcedureSpec, options: Given) -> None:
    """A run takes all its steps, asks no more than its budget, and ends with a final evaluation.

    Mend: advance `context.learner()` to `settings.algo.n_timesteps`, then `context.evaluate(policy, final=True)`.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = _manifest(spec, options, folder)
        lines = (Path(folder) / "run" / "evaluations.jsonl").read_text(encoding="utf-8").splitlines()
        log = [json.loads(line) for line in (Path(folder) / "run" / "run_log.jsonl").read_text().splitlines()]
    asked = sum("query" in line for line in log)
    steps, budget = TINY["algo"]["n_timesteps"], TINY["feedback"]["total"]  # type: ignore[index]  # mappings
    assert found["status"] == "ok", f"it ended as {found['status']}: {found['error']}"
    assert found["steps"] >= steps, f"it took {found['steps']} steps of {steps}"
    assert asked <= budget, f"it asked {asked} questions of {budget}"
    assert lines, "nothing was evaluated"


def repeats_under_the_same_seed(spec: ProcedureSpec, options: Given) -> None:
    """Run twice with the same settings, it does the same, bit for bit.

    Mend: draw from `context.rng("...")`, and leave clocks and global generators alone.
    """
    hashes = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            hashes.append(_manifest(spec, options, folder)["metrics"])
    assert hashes[0] == hashes[1], "what was logged, fitted or evaluated differs"


def has_a_state_that_can_be_written(spec: ProcedureSpec, options: Given) -> None:
    """Its `state_dict` can be written to disk and loaded by a fresh one, also before anything has happened.

    Mend: keep numbers, text, lists and arrays in it; `load_state_dict` takes what `state_dict` gave.
    """
    procedure, fresh = built(spec, options), built(spec, options)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), 0, {"procedure": procedure.state_dict()}, keep=1)
        state = newest(Path(folder))
    assert state is not None, "its state cannot be read back"
    fresh.load_state_dict(state["procedure"])
    assert dict(fresh.state_dict()) == dict(procedure.state_dict()), "it comes back as another state"


PROMISES = (runs_to_its_end, repeats_under_the_same_seed, has_a_state_that_can_be_written)
