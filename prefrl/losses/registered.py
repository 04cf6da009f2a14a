"""The built-in losses as plain keyword arguments of a loss spec; importing this imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from prefrl.losses import options, parts
from prefrl.options import Options

ORDERS = frozenset({"pair", "choice", "ranking", "grade"})
ANY = ORDERS | {"binary", "similarity"}


def losses() -> tuple[dict[str, Any], ...]:
    """name, summary, options, build, kinds, requires, paper, shift_invariant and batch_coupled of every loss."""
    return (
        _pair("bradley_terry", "the difference of two scores decides", options.BradleyTerryOptions, "Christiano et al. 2017"),
        _whole(
            "plackett_luce", "the probability of a whole ranking, chosen best first", options.PlackettLuceOptions,
            "listwise:build", kinds=ORDERS, paper="Plackett 1975; Xia et al. 2008",
        ),
        _whole(
            "center", "keeps scores near zero; add it with a small coef", parts.Center, "regularisers:center",
            kinds=ANY, paper="Eisenstein et al. 2023", shift_invariant=False,
        ),
    )  # fmt: skip


def _pair(name: str, summary: str, model: type[options.PairOptions], paper: str) -> dict[str, Any]:
    """A recipe of parts: what it needs and whether it is shift-invariant follow from its parts."""
    design = model().design()
    return _whole(
        name, summary, model, "pairwise:build", kinds=ORDERS, paper=paper,
        requires=design.requires, shift_invariant=design.shift_invariant,
    )  # fmt: skip


def _whole(name: str, summary: str, model: type[Options], where: str, **rest: Any) -> dict[str, Any]:
    return {"name": name, "summary": summary, "options": model, "build": _lazy(where), **rest}


def _lazy(where: str) -> Callable[[Any], Any]:
    """A builder that imports ``module:function`` of this package when it is first called."""
    module, _, function = where.partition(":")

    def build(chosen: Any) -> Any:
        return getattr(import_module(f"prefrl.losses.{module}"), function)(chosen)

    return build
