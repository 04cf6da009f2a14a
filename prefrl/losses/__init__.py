"""The loss core: scores of items and answers about them in, a loss and its metrics out.

Whatever is scored (a clip by a reward net, a clip by a policy's log-probabilities, a text by an LLM) goes through the
same few steps: `Labels` become `Pairs`, a transform turns raw `Scores` into what is compared, a link judges each pair.
Names are imported when first used, so that the options models need no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefrl.losses.labels import Kind, Labels, collate, kinds_of, relevance
    from prefrl.losses.loss import LossOut, PrefLoss, WeightedSum, build_loss
    from prefrl.losses.metrics import MetricBag
    from prefrl.losses.pairs import Pairs, to_pairs
    from prefrl.losses.scores import Scores

_HOME = {
    "Kind": "labels", "Labels": "labels", "collate": "labels", "kinds_of": "labels", "relevance": "labels",
    "LossOut": "loss", "PrefLoss": "loss", "WeightedSum": "loss",
    "build_loss": "loss", "MetricBag": "metrics", "Pairs": "pairs", "to_pairs": "pairs", "Scores": "scores",
}  # fmt: skip

__all__ = [
    "Kind", "Labels", "LossOut", "MetricBag", "Pairs", "PrefLoss", "Scores", "WeightedSum", "build_loss", "collate", "kinds_of",
    "relevance", "to_pairs",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"prefrl.losses.{_HOME[name]}"), name)
    raise AttributeError(f"module 'prefrl.losses' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
