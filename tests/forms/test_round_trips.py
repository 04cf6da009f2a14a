"""What goes out comes back, in every form; the long form of this is tests/soak/test_forms.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefrl.forms import FORMS
from prefrl.store import Store, open_store


@pytest.fixture(scope="module")
def generated(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("forms/generated.py")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One that does not wait for the disk: these tests are not about power cuts."""
    with pytest.MonkeyPatch.context() as patch, open_store(None, tmp_path_factory.mktemp("forms")) as opened:
        patch.setattr("os.fsync", lambda _: None)
        sa.event.listen(opened._database._engine, "checkout", lambda raw, *_: raw.execute("PRAGMA synchronous=OFF"))
        yield opened


@pytest.mark.parametrize("form", ["jsonl", *FORMS])
def test_generated_data_sets_come_back(form: str, generated: ModuleType, store: Store, tmp_path: Path) -> None:
    @settings(
        max_examples=50, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def trips(data: st.DataObject) -> None:
        generated.check(generated.Trip.of(store, tmp_path, data.draw(generated.contents())), form)

    trips()
