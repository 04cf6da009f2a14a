"""The spec of something a plugin offers comes in; what becomes of each promise of its kind goes out.

A promise is a function whose docstring says it: the first line is the promise, what follows "Mend:" says what to do where
it is broken. It raises AssertionError with what was seen. The functions of a kind stand in the module of that name beside
this one, which is imported when it is needed: losses, reward models, learners and procedures bring torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from prefrl.errors import PrefrlError
from prefrl.options import Options
from prefrl.specs import Spec

TESTED = ("sources", "selectors", "reward_models", "losses", "learners", "procedures")  # kinds that have promises

Test = TypeVar("Test", bound=Callable[..., Any])


class NotTried(Exception):
    """A promise cannot be tried on this; the message says why."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise, ready to be tried."""

    name: str
    doc: str  # of the function that tries it
    attempt: Callable[[], None]

    @property
    def says(self) -> str:
        """The promise itself."""
        return self.doc.split("Mend:")[0].strip()

    @property
    def mend(self) -> str:
        """What to do where it is broken."""
        return self.doc.partition("Mend:")[2].strip()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one promise."""

    promise: str
    says: str
    status: Literal["kept", "broken", "not tried"]
    seen: str = ""
    mend: str = ""

    def __str__(self) -> str:
        mend = f" Mend: {self.mend}" if self.mend else ""
        return f"{self.promise}: {self.says} Seen: {self.seen}{mend}"


def promises(kind: str, spec: Spec, options: Mapping[str, Any] | None = None) -> list[Promise]:
    """The promises of a `kind` ("sources", "losses", ...) for one spec, tried with these options or the defaults."""
    home = import_module(f"prefrl.testing.{kind}")
    return [
        Promise(name, " ".join(inspect.cleandoc(function.__doc__ or "").split()), attempt)
        for name, function, attempt in home.attempts(spec, options)
    ]


def check(kind: str, spec: Spec, options: Mapping[str, Any] | None = None) -> list[Verdict]:
    """Every promise tried."""
    return [tried(promise) for promise in promises(kind, spec, options)]


def tried(promise: Promise) -> Verdict:
    """Whatever is raised but `NotTried` breaks the promise."""
    try:
        promise.attempt()
    except NotTried as reason:
        return Verdict(promise.name, promise.says, "not tried", str(reason))
    except Exception as error:  # noqa: BLE001  a plugin may raise anything, and that is what is reported
        seen = str(error).strip() if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        return Verdict(promise.name, promise.says, "broken", " ".join(seen.split())[:400], promise.mend)
    return Verdict(promise.name, promise.says, "kept")


# --- what the kinds share --------------------------------------------------------------------------------------------


def chosen(spec: Spec, options: Mapping[str, Any] | None) -> Options:
    """The spec's options; `NotTried` where they have no defaults and none are given."""
    try:
        return spec.options(**(options or {}))
    except ValidationError as error:
        if options is not None:
            raise
        missing = ", ".join(str(one["loc"][0]) for one in error.errors() if one["loc"])
        raise NotTried(f"its options have no default for {missing}; give them in a test of your own") from error


def built(spec: Spec, options: Mapping[str, Any] | None, *contexts: Any) -> Any:
    """What the spec builds; `NotTried` where its own sentence refuses the example it is built for by default."""
    made = chosen(spec, options)
    try:
        return spec.build(made, *contexts)
    except PrefrlError as error:
        if options is not None:
            raise
        raise NotTried(f"with default options it is refused here: {error}") from error


def each(functions: Iterable[Callable[..., None]], *arguments: Any) -> list[tuple[str, Callable[..., None], Any]]:
    """(name, function, attempt) of promises that take the same arguments."""
    return [(function.__name__, function, lambda function=function: function(*arguments)) for function in functions]


def parametrized(kind: str, name: str, options: Mapping[str, Any] | None) -> Callable[[Test], Test]:
    """A decorator of pytest: the test gets each promise as `check`, a function without arguments."""
    import pytest

    from prefrl.plugins import PluginHost

    spec = PluginHost.from_environment().spec(kind, name)
    cases = [pytest.param(_case(promise), id=promise.name) for promise in promises(kind, spec, options)]
    mark: Callable[[Test], Test] = pytest.mark.parametrize("check", cases)
    return mark


def _case(promise: Promise) -> Callable[[], None]:
    def check() -> None:
        import pytest

        verdict = tried(promise)
        if verdict.status == "not tried":
            pytest.skip(verdict.seen)
        if verdict.status == "broken":
            pytest.fail(str(verdict), pytrace=False)

    return check
