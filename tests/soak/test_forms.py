"""A thousand generated data sets go out and come back in each form; the small form is tests/forms/test_round_trips.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefrl.forms import FORMS
from prefrl.store import open_store


@pytest.mark.parametrize("form", ["jsonl", *FORMS])
def test_a_thousand_data_sets_come_back(
    form: str, program: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated = program("forms/generated.py")
    monkeypatch.setattr("os.fsync", lambda _: None)  # this is not about power cuts
    with open_store(None, tmp_path / "runs") as store:
        sa.event.listen(store._database._engine, "checkout", lambda raw, *_: raw.execute("PRAGMA synchronous=OFF"))

        @settings(
            max_examples=1000, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(st.data())
        def trips(data: st.DataObject) -> None:
            generated.check(generated.Trip.of(store, tmp_path, data.draw(generated.contents())), form)

        trips()
