from __future__ import annotations

import inspect

from prefrl import specs
from prefrl.specs import Source, protocols


def test_a_source_is_whatever_can_label() -> None:
    class Teacher:
        def label(self, queries: object, context: object) -> object:
            return iter(())

    assert isinstance(Teacher(), Source)
    assert not isinstance(object(), Source)


def test_every_protocol_says_what_it_is_and_is_published() -> None:
    for name, value in vars(protocols).items():
        if inspect.isclass(value) and getattr(value, "_is_protocol", False) and value.__module__ == protocols.__name__:
            assert value.__doc__, name
            assert getattr(specs, name) is value


def test_every_public_name_is_there() -> None:
    assert [name for name in specs.__all__ if not hasattr(specs, name)] == []
